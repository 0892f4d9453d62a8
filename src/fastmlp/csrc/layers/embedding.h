/* Codes in the last columns of the input, each as a row of its table: z = [x without them, a row of each table]. */
#if defined LAYER
LAYER(embedding, READS_CODES, &embedding_kernels, )

#elif defined KERNELS
/* The number of a code; of what is none, and was refused before unless another thread has changed it since, the first. */
INLINE ptrdiff_t code_of(real value, ptrdiff_t size) { return value >= 0 && value < (real)size ? (ptrdiff_t)value : 0; }

/* Table t of a layer: the columns of its codes and of its numbers, and where it begins among all. */
typedef struct { ptrdiff_t from, to, begin, size, dim; } table_place;

INLINE table_place first_table(const layer_args *g)
{
    const ptrdiff_t codes = g->k - g->layer->tables;
    return (table_place){codes, codes, 0, g->layer->sizes[0], g->layer->dims[0]};
}

INLINE table_place next_table(const layer_args *g, table_place p, int t)
{
    const int more = t + 1 < g->layer->tables;
    return (table_place){p.from + 1, p.to + p.dim, p.begin + p.size * p.dim, more ? g->layer->sizes[t + 1] : 0,
                         more ? g->layer->dims[t + 1] : 0};
}

/* The first number of the row that row r of x has as its code. */
INLINE ptrdiff_t place_of(const layer_args *g, table_place p, ptrdiff_t r)
{
    return p.begin + p.dim * code_of(g->x[p.from / L * g->x_panel + p.from % L + r * L], p.size);
}

static void embedding_forward(const layer_args *g)
{
    table_place p = first_table(g);
    copy_columns(g->z, g->z_panel, 0, g->x, g->x_panel, 0, p.from, g->m);
    for (int t = 0; t < g->layer->tables; p = next_table(g, p, t++))
        for (ptrdiff_t r = 0; r < g->m; r++) {
            const real *row = g->arrays[0] + place_of(g, p, r);
            for (ptrdiff_t i = 0; i < p.dim; i++) g->z[(p.to + i) / L * g->z_panel + (p.to + i) % L + r * L] = row[i];
        }
}

/* A code has no gradient. */
static void embedding_backward(const layer_args *g)
{
    for (ptrdiff_t p = 0; p < count_panels(g->k); p++) memset(g->dx + p * g->dx_panel, 0, (size_t)(g->m * L) * sizeof(real));
    copy_columns(g->dx, g->dx_panel, 0, g->d, g->d_panel, 0, g->k - g->layer->tables, g->m);
}

/* To own[0]: of all tables, row after row of the batch. */
static void embedding_gradient(const layer_args *g, ptrdiff_t panel)
{
    table_place p = first_table(g);
    (void)panel;
    memset(g->own[0], 0, (size_t)padded(table_numbers(g->layer)) * sizeof(real));
    for (int t = 0; t < g->layer->tables; p = next_table(g, p, t++))
        for (ptrdiff_t r = 0; r < g->m; r++) {
            real *row = g->own[0] + place_of(g, p, r);
            for (ptrdiff_t i = 0; i < p.dim; i++) row[i] += g->d[(p.to + i) / L * g->d_panel + (p.to + i) % L + r * L];
        }
}

static const layer_kernels embedding_kernels = {
    .forward = embedding_forward, .backward = embedding_backward, .gradient = embedding_gradient,
};

#elif defined PLAN
static int embedding_arrays(const fm_layer *layer, fm_array *arrays)
{
    arrays[0] = (fm_array){.name = "tables", .rows = 1, .columns = table_numbers(layer), .decays = 1, .moves = 1};
    return 1;
}

static ptrdiff_t embedding_width(const fm_layer *layer)
{
    ptrdiff_t width = layer->n_in - layer->tables;
    for (int t = 0; t < layer->tables; t++) width += layer->dims[t];
    return layer->tables && layer->tables <= layer->n_in ? width : 0;
}

static void embedding_buffers(real **own, const fm_layer *layer, stage_arena *arena, ptrdiff_t rows)
{
    (void)rows;
    own[0] = TAKE(real, padded(table_numbers(layer)));
}

/* All of it is the first share's, over all rows at once. */
static void embedding_plan_gradient(const step_work *w, const gradient_sink *sink, int l, gradient_part part)
{
    const fm_array *tables = &w->plan->layers[l].arrays[0];
    const layer_args g = args_of_stage(w, l, 0, w->rows);
    if (part.share || part.last < w->rows) return;
    kernels_of(w->plan, l)->gradient(&g, 0);
    sink->take(sink, g.own[0], tables->offset, padded(tables->columns), tables->decays);
}

static const layer_kind embedding_kind = {
    .arrays = embedding_arrays, .width = embedding_width, .buffers = embedding_buffers,
    .forward = forward_by_kernel, .backward = backward_by_kernel, .gradient = embedding_plan_gradient,
};
#endif
