"""The fixed parts of an exported file, with their blanks in braces."""

HEADER = """\
/* {name}: a multi-layer perceptron, written by fastmlp {version}.

{table}

   Call     void {name}_predict(const {real} *x, {real} *out);
            void {name}_predict_rows(const {real} *x, {real} *out, size_t rows);
            x has {n_in} numbers a row, finite ones, out {n_out}, and they do not overlap.  Nothing is kept
            between calls: any thread may call at any time.
   ROM      {rom} bytes of {weights}; {tables} bytes of tables; the code
   RAM      {ram} bytes of arrays on the stack
   Compile  cc -std=c99 -O3 -c {name}.c, with -mfma or a -march= that has it on x86-64; link with -lm
   Test     cc -std=c99 -O3 -D{macro}_TEST {name}.c -o {name}_test -lm && ./{name}_test
{notes}*/
"""

ACCURACY = """\
   Accuracy With fma, outputs have the bits that fastmlp gives in Python.  It is used where the compiler says
            that the machine has it; -DFASTMLP_FMA=1 takes it from the C library elsewhere, which is slow,
            and -DFASTMLP_FMA=0 goes without: then the outputs of the test differ by less than {allowed},
            six standard deviations of rounding.
            The compiler may not contract a*b+c by itself: gcc and clang obey the pragmas below, others may
            need an option like gcc's -ffp-contract=off; -ffast-math is refused.
"""

INT8 = """\
   int8     Weights are integers times one scale an output, and so are the inputs of a layer, with one scale
            for all; sums of their products are whole numbers.  "In Python" below means such a network too,
            as Network.quantized makes it.
"""

INT8_ERROR = """\
   Error    Against the network of float32,
            {error}.
"""

PREFACE = """\
#if defined(__FAST_MATH__)
#error "this file rounds by adding and subtracting a constant, which -ffast-math removes"
#endif
#if defined(__FLT_EVAL_METHOD__) && (__FLT_EVAL_METHOD__ == 1 || __FLT_EVAL_METHOD__ == 2)
#error "this file needs arithmetic in its own type: on 32-bit x86, -msse2 -mfpmath=sse"
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off") /* gcc's word for the next line's, which it does not know */
#else
#pragma STDC FP_CONTRACT OFF
#endif
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef FASTMLP_FMA /* 1: a fused multiply-add wherever the engine has one; 0: a product and a sum */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined({fast_fma})
#define FASTMLP_FMA 1
#else
#define FASTMLP_FMA 0
#endif
#endif
"""

DECLARED = """\
void {name}_predict(const {real} *restrict x, {real} *restrict out);
void {name}_predict_rows(const {real} *restrict x, {real} *restrict out, size_t rows);
"""

TEST = """
#ifdef {macro}
#include <stdio.h>

/* Inputs, and what Python gives for them. */
{inputs}
{outputs}

int main(void)
{{
    const double allowed = {allowed};
    double largest = 0;
    for (size_t row = 0; row < {rows}; row++) {{
        {real} out[{n_out}];
        {name}_predict({name}_test_x + row * {n_in}, out);
        for (size_t j = 0; j < {n_out}; j++) {{
            const double wanted = {name}_test_out[row * {n_out} + j], got = out[j];
            if (got != wanted && !(fabs(got - wanted) <= largest)) largest = fabs(got - wanted);
        }}
    }}
    printf("largest difference from Python: %g, allowed: %g\\n", largest, allowed);
    return !(largest <= allowed);
}}
#endif
"""
