/* histplot: a distribution of durations to look at: by percentile, on a scale of nines, so that the
 * tail has room. In a terminal, and as an SVG of its own, without another program. */
#pragma once

#include "base/err.h"
#include "base/hist.h"
#include "base/say.h"

#include <stdio.h>

#define HISTPLOT_LINES_MAX 9u

struct histplot_line {
    const char *name;
    const struct hist *hist;
};

/* histplot_time prints ns as people read it ("1.24 us"), into at least 16 bytes. */
const char *histplot_time(uint64_t ns, char *to, size_t size);

/* histplot_text prints bars of one distribution: a line for each percentile that the number of
 * samples gives meaning to. */
void histplot_text(FILE *to, const struct histplot_line *line);

/* histplot_svg writes a file with a curve for each of the lines, in [1, HISTPLOT_LINES_MAX]; empty
 * ones are left out. note is printed below the title. Returns 0 or ERR_IO with the reason. */
MUST_USE int histplot_svg(const char *path, const char *title, const char *note,
                          const struct histplot_line *lines, uint32_t count, struct fault *fault);

/* histplot_hdr writes the percentiles as HdrHistogram prints them, in microseconds, for its own
 * plotter and for tools that read it. Returns 0 or ERR_IO with the reason. */
MUST_USE int histplot_hdr(const char *path, const struct hist *hist, struct fault *fault);
