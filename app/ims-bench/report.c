/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The policies over the rate of events, as a table and as a page with pictures in it. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include <rte_common.h>

#include "curve.h"
#include "ims_bench.h"

#define WIDTH  640.0
#define HEIGHT 340.0
#define LEFT   70.0
#define RIGHT  20.0
#define TOP    30.0
#define BOTTOM 45.0
#define PLOT_W (WIDTH - LEFT - RIGHT)
#define PLOT_H (HEIGHT - TOP - BOTTOM)

static const char *const colours[CURVE_POLICIES] = { "#c0392b", "#2471a3", "#1e8449" };

void
curve_print(const struct curve *c, FILE *f)
{
	unsigned int p, r;

	if (c->n_rates == 0)
		return;
	fprintf(f, "\n%10s", "EVENTS/S");
	for (p = 0; p < CURVE_POLICIES; p++)
		fprintf(f, "  %12s %12s %7s", c->policy[p], "P99_ns", "CPU_%");
	fputc('\n', f);
	for (r = 0; r < c->n_rates; r++) {
		fprintf(f, "%10.0f", c->point[0][r].rate);
		for (p = 0; p < CURVE_POLICIES; p++)
			fprintf(f, "  %12.0f %12.0f %7.1f", c->point[p][r].p50_ns,
				c->point[p][r].p99_ns, c->point[p][r].cpu_pct);
		fputc('\n', f);
	}
}

/* One picture: y of the points over the rate, both logarithmic unless y goes from 0 to 100. */
struct plot {
	const char *title;
	const char *unit;
	double (*y)(const struct curve_point *p);
	double low;
	double high;
	bool linear;
};

static double
y_p50(const struct curve_point *p)
{
	return p->p50_ns / 1e3;
}

static double
y_p99(const struct curve_point *p)
{
	return p->p99_ns / 1e3;
}

static double
y_cpu(const struct curve_point *p)
{
	return p->cpu_pct;
}

static double
place(double v, double low, double high, bool linear)
{
	if (linear)
		return (v - low) / (high - low);
	return log10(RTE_MAX(v, low) / low) / log10(high / low);
}

static double
x_of(const struct curve *c, double rate)
{
	return LEFT +
	       PLOT_W * place(rate, c->point[0][0].rate, c->point[0][c->n_rates - 1].rate, false);
}

static double
y_of(const struct plot *plot, double v)
{
	return TOP + PLOT_H * (1 - place(v, plot->low, plot->high, plot->linear));
}

static void
grid(const struct curve *c, const struct plot *plot, FILE *f)
{
	double v = plot->low, step = plot->linear ? 20 : 10;
	unsigned int r;

	fprintf(f, "<text x='%g' y='18' class='title'>%s</text>\n", LEFT, plot->title);
	while (v <= plot->high * 1.001) {
		fprintf(f,
			"<line x1='%g' x2='%g' y1='%.1f' y2='%.1f' class='grid'/>"
			"<text x='%g' y='%.1f' class='num' text-anchor='end'>%g</text>\n",
			LEFT, LEFT + PLOT_W, y_of(plot, v), y_of(plot, v), LEFT - 6,
			y_of(plot, v) + 4, v);
		v = plot->linear ? v + step : v * step;
	}
	for (r = 0; r < c->n_rates; r++) {
		v = c->point[0][r].rate;
		if (log10(v) != floor(log10(v)))
			continue;
		fprintf(f,
			"<line x1='%.1f' x2='%.1f' y1='%g' y2='%g' class='grid'/>"
			"<text x='%.1f' y='%g' class='num' text-anchor='middle'>%.0f</text>\n",
			x_of(c, v), x_of(c, v), TOP, TOP + PLOT_H, x_of(c, v), TOP + PLOT_H + 16,
			v);
	}
	fprintf(f,
		"<text x='%g' y='%g' class='num' text-anchor='middle'>events per second</text>\n",
		LEFT + PLOT_W / 2, HEIGHT - 8);
	fprintf(f,
		"<text x='14' y='%g' class='num' transform='rotate(-90 14 %g)' "
		"text-anchor='middle'>%s</text>\n",
		TOP + PLOT_H / 2, TOP + PLOT_H / 2, plot->unit);
}

static void
lines(const struct curve *c, const struct plot *plot, FILE *f)
{
	unsigned int p, r;

	for (p = 0; p < CURVE_POLICIES; p++) {
		fprintf(f, "<polyline fill='none' stroke='%s' stroke-width='2.5' points='",
			colours[p]);
		for (r = 0; r < c->n_rates; r++)
			fprintf(f, "%.1f,%.1f ", x_of(c, c->point[p][r].rate),
				y_of(plot, RTE_MIN(plot->y(&c->point[p][r]), plot->high)));
		fprintf(f, "'/>\n");
		for (r = 0; r < c->n_rates; r++)
			fprintf(f,
				"<circle cx='%.1f' cy='%.1f' r='3.5' fill='%s'><title>%s, %.0f/s: %g "
				"%s</title></circle>\n",
				x_of(c, c->point[p][r].rate),
				y_of(plot, RTE_MIN(plot->y(&c->point[p][r]), plot->high)),
				colours[p], c->policy[p], c->point[p][r].rate,
				plot->y(&c->point[p][r]), plot->unit);
		fprintf(f,
			"<text x='%g' y='18' fill='%s' class='num' text-anchor='end'>%s</text>\n",
			LEFT + PLOT_W - (CURVE_POLICIES - 1 - p) * 80, colours[p], c->policy[p]);
	}
}

static void
draw(const struct curve *c, struct plot *plot, FILE *f)
{
	unsigned int p, r;
	double v;

	for (p = 0; p < CURVE_POLICIES && !plot->linear; p++)
		for (r = 0; r < c->n_rates; r++) {
			v = plot->y(&c->point[p][r]);
			while (v > plot->high)
				plot->high *= 10;
		}
	fprintf(f, "<svg viewBox='0 0 %g %g' width='%g'>\n", WIDTH, HEIGHT, WIDTH);
	grid(c, plot, f);
	lines(c, plot, f);
	fprintf(f, "</svg>\n");
}

static void
table(const struct curve *c, FILE *f)
{
	unsigned int p, r;

	fprintf(f, "<table><tr><th>events/s</th>");
	for (p = 0; p < CURVE_POLICIES; p++)
		fprintf(f, "<th>%s<br>median us</th><th><br>p99 us</th><th><br>CPU %%</th>",
			c->policy[p]);
	fprintf(f, "</tr>\n");
	for (r = 0; r < c->n_rates; r++) {
		fprintf(f, "<tr><td>%.0f</td>", c->point[0][r].rate);
		for (p = 0; p < CURVE_POLICIES; p++)
			fprintf(f, "<td>%.2f</td><td>%.2f</td><td>%.1f</td>",
				c->point[p][r].p50_ns / 1e3, c->point[p][r].p99_ns / 1e3,
				c->point[p][r].cpu_pct);
		fprintf(f, "</tr>\n");
	}
	fprintf(f, "</table>\n");
}

int
report_write(const char *path, const struct curve *c)
{
	struct plot plots[] = {
		{ "Latency, median", "us", y_p50, 0.01, 10, false },
		{ "Latency, 99th percentile", "us", y_p99, 0.01, 10, false },
		{ "CPU time of the process", "% of a CPU", y_cpu, 0, 120, true },
	};
	FILE *f = fopen(path, "w");
	unsigned int i;

	if (f == NULL)
		return -errno;
	fprintf(f,
		"<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>rte_ims "
		"figures</title>\n<style>body{font:15px/1.4 sans-serif;max-width:75em;margin:2em "
		"auto;padding:0 1em}svg{margin:0 1em 1em 0;background:#fafafa}.grid{stroke:#ddd}"
		".num{font:12px sans-serif}.title{font:bold 14px sans-serif}"
		"table{border-collapse:collapse}td,th{padding:.2em .7em;text-align:right;"
		"border-bottom:1px solid #ddd}pre{overflow-x:auto}</style></head><body>\n"
		"<h1>rte_ims figures</h1>\n");
	if (c->n_rates != 0) {
		fprintf(f, "<h2>Poll, interrupt, adaptive</h2>\n");
		for (i = 0; i < RTE_DIM(plots); i++)
			draw(c, &plots[i], f);
		table(c, f);
	}
	fprintf(f, "<h2>Figures</h2>\n<pre>\n");
	figures_print(f);
	fprintf(f, "</pre>\n</body></html>\n");
	i = ferror(f);
	if (fclose(f) != 0 || i != 0)
		return -EIO;
	return 0;
}
