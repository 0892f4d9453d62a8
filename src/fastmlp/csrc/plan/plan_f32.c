/* The plan of a float32 network. */
#define BITS 32
#include "phases.h"
