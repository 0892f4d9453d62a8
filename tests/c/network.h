/* A small network, its data and hashes of what comes of it, for the drivers of this folder. */
#ifndef NETWORK_H
#define NETWORK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastmlp.h"

/* A layer as far as the drivers' differ. */
typedef struct { ptrdiff_t n_out; int activation, kind; double dropout; } layer_spec;

/* Knuth's generator: uniform in [-1, 1), exact in float32. */
static uint64_t state;
static inline double draw(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 40) / (1 << 23) - 1;
}

/* FNV-1a of the bytes of a double whose zero has lost its sign, which is outside the contract. */
static uint64_t hash;
static inline void begin_hash(void) { hash = 14695981039346656037u; }
static inline void add_to_hash(double x)
{
    unsigned char bytes[sizeof x];
    x += 0.0;
    if (!isfinite(x)) printf("not finite\n"), exit(1);
    uint64_t word;
    memcpy(&word, &x, sizeof word);
    for (size_t i = 0; i < sizeof bytes; i++) hash = (hash ^ (word >> (8 * i) & 0xFF)) * 1099511628211u;
}

static inline void check(int status)
{
    if (status != FM_OK) printf("status %d\n", status), exit(1);
}

static inline size_t real_bytes(int type) { return type == FM_FLOAT32 ? sizeof(float) : sizeof(double); }

static inline double get(int type, const void *reals, ptrdiff_t i)
{
    return type == FM_FLOAT32 ? (double)((const float *)reals)[i] : ((const double *)reals)[i];
}

static inline void set(int type, void *reals, ptrdiff_t i, double x)
{
    if (type == FM_FLOAT32)
        ((float *)reals)[i] = (float)x;
    else
        ((double *)reals)[i] = x;
}

static inline void hash_reals(int type, const void *reals, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++) add_to_hash(get(type, reals, i));
}

/* Parameters, or anything laid out like them, in their canonical form. */
static inline void hash_vector(const fm_plan *plan, const void *vector)
{
    static double values[1 << 14];
    for (int l = 0; l < plan->layer_count; l++)
        for (int i = 0; i < plan->layers[l].array_count; i++) {
            const fm_array *arrays = plan->layers[l].arrays;
            if (arrays[i].rows * arrays[i].columns > 1 << 14) printf("too wide\n"), exit(1);
            fm_plan_unpack(plan, vector, &arrays[i], values);
            hash_reals(plan->type, values, arrays[i].rows * arrays[i].columns);
        }
}

/* What fm_plan_init completes. */
static inline void describe(fm_plan *plan, fm_layer *layers, int isa, int type, ptrdiff_t n_in,
                            const layer_spec *specs, int count)
{
    memset(plan, 0, sizeof *plan);
    memset(layers, 0, (size_t)count * sizeof *layers);
    for (int l = 0; l < count; l++) {
        layers[l].n_in = l ? specs[l - 1].n_out : n_in;
        layers[l].n_out = specs[l].n_out;
        layers[l].activation = specs[l].activation;
        layers[l].use_bias = 1;
        layers[l].kind = specs[l].kind, layers[l].source = -1;
        for (int i = 0; i < FM_MOST_SETTINGS; i++) layers[l].settings[i] = fm_layers[specs[l].kind].settings[i].start;
        if (specs[l].kind == FM_batch_normalization_layer) layers[l].settings[1] = 0.9; /* the momentum: steps are few */
        layers[l].dropout = specs[l].dropout;
        for (int i = 0; i < FM_MOST_ARRAYS; i++) layers[l].learning_rate[i] = layers[l].weight_decay[i] = 1;
    }
    plan->isa = isa;
    plan->type = type;
    plan->layer_count = count;
    plan->layers = layers;
    plan->n_in = n_in;
    plan->n_out = specs[count - 1].n_out;
}

static inline void draw_weights(fm_plan *plan)
{
    for (int l = 0; l < plan->layer_count; l++)
        if (plan->layers[l].kind == FM_dense_layer) fm_plan_initialize(plan, l, 0, l & 1, 0.3, 99);
}

#endif
