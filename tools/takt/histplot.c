#include "tools/takt/histplot.h"

#include "base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define HISTPLOT_BAR 50

static const double histplot_percents[] = {1,  5,  10, 25,   50,    75,     90,
                                           95, 99, 99.9, 99.99, 99.999, 99.9999, 100};
#define HISTPLOT_PERCENTS (sizeof(histplot_percents) / sizeof(histplot_percents[0]))

const char *histplot_time(uint64_t ns, char *to, size_t size)
{
    if (ns < 1000)
        snprintf(to, size, "%" PRIu64 " ns", ns);
    else if (ns < 1000000)
        snprintf(to, size, "%.2f us", (double)ns / 1e3);
    else if (ns < 1000000000)
        snprintf(to, size, "%.2f ms", (double)ns / 1e6);
    else
        snprintf(to, size, "%.2f s", (double)ns / 1e9);
    return to;
}

/* A percentile that fewer than one sample lies above says what the maximum says. */
static bool histplot_means(const struct hist *hist, double percent)
{
    return percent >= 100 || (double)hist->count * (100 - percent) / 100 >= 1;
}

void histplot_text(FILE *to, const struct histplot_line *line)
{
    double top = log10((double)line->hist->max_ns + 1), low = log10((double)line->hist->min_ns + 1);
    char text[32];

    fprintf(to, "%s: %" PRIu64 " samples\n", line->name, line->hist->count);
    if (line->hist->count == 0)
        return;
    low = floor(low);
    for (size_t i = 0; i < HISTPLOT_PERCENTS; i++) {
        double percent = histplot_percents[i];
        if (!histplot_means(line->hist, percent))
            continue;
        uint64_t ns = percent >= 100 ? line->hist->max_ns : hist_percentile(line->hist, percent);
        double part = top > low ? (log10((double)ns + 1) - low) / (top - low) : 1;
        int bar = (int)(part * HISTPLOT_BAR + 0.5);
        fprintf(to, "  %8.*f %%  %11s  ", percent > 99.9 && percent < 100 ? 4 : 1, percent,
                histplot_time(ns, text, sizeof(text)));
        for (int k = 0; k < bar; k++)
            fputs("█", to);
        fputc('\n', to);
    }
}

/* ---- SVG ------------------------------------------------------------------------------------- */

#define SVG_WIDTH  860
#define SVG_HEIGHT 460
#define SVG_LEFT   80
#define SVG_RIGHT  150
#define SVG_TOP    60
#define SVG_BOTTOM 50

static const char *const histplot_colours[HISTPLOT_LINES_MAX] = {
    "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2",
    "#7f7f7f"};

struct histplot_scale {
    double nines, low, high; /* x: nines shown; y: log10 ns */
};

/* 0 % is 0, 90 % is 1, 99 % is 2, ... */
static double histplot_x(const struct histplot_scale *scale, double percent)
{
    double nines = percent >= 100 ? scale->nines : -log10(1 - percent / 100);
    double part = nines > scale->nines ? 1 : nines / scale->nines;
    return SVG_LEFT + part * (SVG_WIDTH - SVG_LEFT - SVG_RIGHT);
}

static double histplot_y(const struct histplot_scale *scale, double ns)
{
    double part = (log10(ns < 1 ? 1 : ns) - scale->low) / (scale->high - scale->low);
    return SVG_HEIGHT - SVG_BOTTOM - part * (SVG_HEIGHT - SVG_TOP - SVG_BOTTOM);
}

static void histplot_escape(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            fputs("&lt;", to);
        else if (*text == '&')
            fputs("&amp;", to);
        else
            fputc(*text, to);
    }
}

static struct histplot_scale histplot_scale_of(const struct histplot_line *lines, uint32_t count)
{
    struct histplot_scale scale = {.nines = 1, .low = 12, .high = 0};

    for (uint32_t i = 0; i < count; i++) {
        const struct hist *hist = lines[i].hist;
        if (hist->count == 0)
            continue;
        double low = floor(log10((double)hist->min_ns + 1));
        double high = ceil(log10((double)hist->max_ns + 1));
        double nines = ceil(log10((double)hist->count + 1));
        scale.low = low < scale.low ? low : scale.low;
        scale.high = high > scale.high ? high : scale.high;
        scale.nines = nines > scale.nines ? nines : scale.nines;
    }
    if (scale.high <= scale.low)
        scale.high = scale.low + 1;
    return scale;
}

static void histplot_axes(FILE *to, const struct histplot_scale *scale)
{
    char text[32];

    for (double power = scale->low; power <= scale->high; power++) {
        double y = histplot_y(scale, pow(10, power));
        fprintf(to, "<line x1='%d' y1='%.1f' x2='%d' y2='%.1f' stroke='#dddddd'/>\n", SVG_LEFT, y,
                SVG_WIDTH - SVG_RIGHT, y);
        fprintf(to, "<text x='%d' y='%.1f' text-anchor='end'>%s</text>\n", SVG_LEFT - 8, y + 4,
                histplot_time((uint64_t)pow(10, power), text, sizeof(text)));
    }
    for (double nines = 0; nines <= scale->nines; nines++) {
        double percent = 100 * (1 - pow(10, -nines)), x = histplot_x(scale, percent);
        fprintf(to, "<line x1='%.1f' y1='%d' x2='%.1f' y2='%d' stroke='#dddddd'/>\n", x, SVG_TOP, x,
                SVG_HEIGHT - SVG_BOTTOM);
        fprintf(to, "<text x='%.1f' y='%d' text-anchor='middle'>%.*f %%</text>\n", x,
                SVG_HEIGHT - SVG_BOTTOM + 18, nines > 2 ? (int)nines - 2 : 0, percent);
    }
}

static void histplot_curve(FILE *to, const struct histplot_scale *scale,
                           const struct histplot_line *line, const char *colour, uint32_t row)
{
    fprintf(to, "<polyline fill='none' stroke='%s' stroke-width='2' points='", colour);
    for (double nines = 0; nines <= scale->nines; nines += 0.05) {
        double percent = 100 * (1 - pow(10, -nines));
        uint64_t ns = percent <= 0 ? line->hist->min_ns : hist_percentile(line->hist, percent);
        if (!histplot_means(line->hist, percent))
            ns = line->hist->max_ns;
        fprintf(to, "%.1f,%.1f ", histplot_x(scale, percent), histplot_y(scale, (double)ns));
        if (!histplot_means(line->hist, percent))
            break;
    }
    fprintf(to, "'/>\n<text x='%d' y='%u' fill='%s'>", SVG_WIDTH - SVG_RIGHT + 12,
            SVG_TOP + 14 + row * 18, colour);
    histplot_escape(to, line->name);
    fprintf(to, " (%" PRIu64 ")</text>\n", line->hist->count);
}

int histplot_svg(const char *path, const char *title, const char *note,
                 const struct histplot_line *lines, uint32_t count, struct fault *fault)
{
    struct histplot_scale scale = histplot_scale_of(lines, count);
    FILE *to = fopen(path, "we");
    uint32_t row = 0;

    CHECK(count >= 1 && count <= HISTPLOT_LINES_MAX);
    if (!to)
        return fault_set(fault, ERR_IO, "%s: %s", path, strerror(errno));
    fprintf(to,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' "
            "font-family='sans-serif' font-size='12'>\n<rect width='100%%' height='100%%' "
            "fill='white'/>\n<text x='%d' y='24' font-size='16'>",
            SVG_WIDTH, SVG_HEIGHT, SVG_LEFT);
    histplot_escape(to, title);
    fprintf(to, "</text>\n<text x='%d' y='44' fill='#666666'>", SVG_LEFT);
    histplot_escape(to, note);
    fputs("</text>\n", to);
    histplot_axes(to, &scale);
    for (uint32_t i = 0; i < count; i++)
        if (lines[i].hist->count > 0) {
            histplot_curve(to, &scale, &lines[i], histplot_colours[i], row);
            row++;
        }
    fprintf(to, "<text x='%d' y='%d' text-anchor='middle'>share of requests at most that long"
                "</text>\n</svg>\n",
            (SVG_WIDTH - SVG_RIGHT + SVG_LEFT) / 2, SVG_HEIGHT - 10);
    if (fclose(to) != 0)
        return fault_set(fault, ERR_IO, "%s: %s", path, strerror(errno));
    return 0;
}

int histplot_hdr(const char *path, const struct hist *hist, struct fault *fault)
{
    uint64_t seen = 0;
    FILE *to = fopen(path, "we");

    if (to == NULL)
        return fault_set(fault, ERR_IO, "%s cannot be written", path);
    fprintf(to, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for (uint32_t i = 0; i < HIST_SLOT_COUNT; i++) {
        if (hist->slots[i] == 0)
            continue;
        seen += hist->slots[i];
        double part = (double)seen / (double)hist->count;
        fprintf(to, "%12.3f %14.12f %10" PRIu64, (double)hist_slot_value(i) / 1000, part, seen);
        if (seen < hist->count)
            fprintf(to, " %14.2f\n", 1 / (1 - part));
        else
            fputc('\n', to);
    }
    fprintf(to, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n",
            hist->count ? hist->sum_ns / 1000 / (double)hist->count : 0.0, 0.0);
    fprintf(to, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n",
            (double)hist->max_ns / 1000, hist->count);
    return fclose(to) == 0 ? 0 : fault_set(fault, ERR_IO, "%s cannot be written", path);
}
