/* The plan of a float64 network. */
#define BITS 64
#include "phases.h"
