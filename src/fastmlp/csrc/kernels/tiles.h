/* Products of bfloat16 and of integers by the tiles of Intel's AMX: the bits of multiply_by_lanes and multiply_by_dots. */
#ifndef FM_TILES_H
#define FM_TILES_H

#include <immintrin.h>

#define TILE_BYTES 64 /* of a row; a tile has 16 of them */

INLINE void configure_tiles(int by_tiles)
{
    static const struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } all __attribute__((aligned(64))) = {
        .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    if (by_tiles) _tile_loadconfig(&all);
}

/* Without values in them, a switch of threads need not save the tiles. */
INLINE void release_tiles(int by_tiles)
{
    if (by_tiles) _tile_release();
}

/* Tiles 0 to 3 are sums, rows by panels; 4 and 5 rows of A, 6 and 7 panels of B. */
INLINE void load_a(const real *a, const int rows)
{
    _tile_loadd(4, a, TILE_BYTES);
    if (rows > 1) _tile_loadd(5, a + 16 * L, TILE_BYTES);
}

INLINE void load_b(const real *b, ptrdiff_t panel, const int panels)
{
    _tile_loadd(6, b, TILE_BYTES);
    if (panels > 1) _tile_loadd(7, b + panel, TILE_BYTES);
}

#define ADD_PRODUCTS(instruction)                         \
    do {                                                  \
        instruction(0, 4, 6);                             \
        if (panels > 1) instruction(1, 4, 7);             \
        if (rows > 1) instruction(2, 5, 6);               \
        if (rows > 1 && panels > 1) instruction(3, 5, 7); \
    } while (0)

INLINE void add_products(const int rows, const int panels) { ADD_PRODUCTS(_tile_dpbf16ps); }
INLINE void add_integers(const int rows, const int panels) { ADD_PRODUCTS(_tile_dpbusd); }
#undef ADD_PRODUCTS

/* `rows` and `panels` in tiles. */
INLINE void add_blocks(const product *g, const int rows, const int panels, const int planes)
{
    const real *a = g->a, *b = g->b;
    for (ptrdiff_t q = 0; q < g->blocks; q++, a += g->a_block, b += BLOCK / 2 * L) {
        if (planes > 1) {
            load_a(a + g->a_plane, rows), load_b(b, g->b_panel, panels), add_products(rows, panels);
            load_a(a, rows), load_b(b + g->b_plane, g->b_panel, panels), add_products(rows, panels);
        } else {
            load_a(a, rows);
        }
        load_b(b, g->b_panel, panels);
        if (planes)
            add_products(rows, panels);
        else
            add_integers(rows, panels);
    }
}

/* Compilers need not know that a tile reads memory. */
INLINE void finish_stores(void) { __asm__ volatile("" ::: "memory"); }

/* Where a tile's rows lie for sums of `rows` rows: in place where there are 16, else in `room`. */
INLINE const real *tile_start(const real *start, ptrdiff_t row, ptrdiff_t rows, real *room)
{
    if (rows >= 16 || !row) return start;
    for (ptrdiff_t i = 0; i < rows * L; i += VW) vstore(room + i, vload(start + i));
    finish_stores();
    return room;
}

INLINE void tiles_of(const product *g, const int rows, const int panels)
{
    real room[16 * 64 / sizeof(real)] __attribute__((aligned(64)));
    const ptrdiff_t stride = g->start_row * (ptrdiff_t)sizeof(real), last = g->rows - 16 * (rows - 1);
    const real *below = g->start + (rows - 1) * 16 * g->start_row; /* start of the last row of tiles */
    finish_stores();
    if (rows > 1) {
        _tile_loadd(0, g->start, stride);
        if (panels > 1) _tile_loadd(1, g->start + g->start_panel, stride);
        _tile_loadd(2, tile_start(below, g->start_row, last, room), stride);
        if (panels > 1) _tile_loadd(3, tile_start(below + g->start_panel, g->start_row, last, room), stride);
    } else {
        _tile_loadd(0, tile_start(below, g->start_row, last, room), stride);
        if (panels > 1) _tile_loadd(1, tile_start(below + g->start_panel, g->start_row, last, room), stride);
    }
    if (g->planes > 1)
        add_blocks(g, rows, panels, 2);
    else if (g->planes)
        add_blocks(g, rows, panels, 1);
    else
        add_blocks(g, rows, panels, 0);
    UNROLL for (int p = 0; p < panels; p++)
        UNROLL for (int r = 0; r < rows; r++) {
            real *c = g->c + p * g->c_panel + r * 16 * L, *to = r + 1 < rows || last == 16 ? c : room;
            const int tile = 2 * r + p;
            if (tile == 0) _tile_stored(0, to, TILE_BYTES);
            if (tile == 1) _tile_stored(1, to, TILE_BYTES);
            if (tile == 2) _tile_stored(2, to, TILE_BYTES);
            if (tile == 3) _tile_stored(3, to, TILE_BYTES);
            for (ptrdiff_t i = 0; to == room && i < last * L; i += VW) vstore(c + i, vload(room + i));
        }
}

static void multiply_by_tiles(const product *g)
{
    if (g->rows > 16 && g->panels > 1)
        tiles_of(g, 2, 2);
    else if (g->rows > 16)
        tiles_of(g, 2, 1);
    else if (g->panels > 1)
        tiles_of(g, 1, 2);
    else
        tiles_of(g, 1, 1);
}

#endif
