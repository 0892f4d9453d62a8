/* The function behind include/fastmlp_native.h. */
#ifndef FM_NATIVE_H
#define FM_NATIVE_H

#include "fastmlp.h"
#include "fastmlp_native.h"

/* The one that every handle is for: a handle is the address of a plan. */
fastmlp_predict_function fm_native_predict;

#endif
