/* The ways over the threads: which is the fastest is measured while the work goes on.

   Every so often a few pieces of work are done each way that may pay, and those between them the fastest way: as on a machine
   that is busy with other things a second thread can cost more than it gives.  A trial is made again soon after the start,
   and then every so often, should it have been disturbed.  The bits are the same.  Predictions of several threads may meet
   here, so that numbers are read and written whole. */
enum { TRIAL = 3, SOON = 128, PERIOD = 512 };

static double pace_of(const way_paces *p, int way)
{
    double seconds;
    __atomic_load(&p->seconds[way], &seconds, __ATOMIC_RELAXED);
    return seconds;
}

static int64_t trial_piece(const way_paces *p)
{
    const int64_t pieces = __atomic_load_n(&p->pieces, __ATOMIC_RELAXED);
    return pieces < SOON ? pieces : (pieces - SOON) % PERIOD;
}

static int fastest_way(const way_paces *p, const int *ways, int count)
{
    int way = ways[0];
    for (int i = 1; i < count; i++)
        if (pace_of(p, ways[i]) < pace_of(p, way)) way = ways[i];
    return way;
}

/* The way of the next piece of work; *trial is its number in the way's trial, or -1 if that is the fastest one's turn. */
static int choose_way(const way_paces *p, const int *ways, int count, int *trial)
{
    const int64_t piece = trial_piece(p);
    *trial = piece < TRIAL * count ? (int)(piece % TRIAL) : -1;
    return *trial < 0 ? fastest_way(p, ways, count) : ways[piece / TRIAL];
}

/* A piece is done.  The first of a trial may have to wake a thread or find new memory: the best of the others counts.  Afterwards
   the average follows what the machine does meanwhile, but no piece that was stopped for a while moves it far. */
static void note_pace(way_paces *p, int way, int trial, double seconds)
{
    const double before = pace_of(p, way);
    double pace = before;
    if (trial < 0 && before > 0)
        pace += ((seconds < 2 * before ? seconds : 2 * before) - before) / 16;
    else if (trial < 2 || seconds < before)
        pace = seconds;
    __atomic_store(&p->seconds[way], &pace, __ATOMIC_RELAXED);
    __atomic_fetch_add(&p->pieces, 1, __ATOMIC_RELAXED);
}
