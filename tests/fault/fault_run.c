/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <stdio.h>

#include <rte_common.h>

#include "fault.h"
#include "fault_run.h"

#define MAX_CALLS 300u /* looked at one by one */

const char *life_where;
unsigned int fault_n_armed;

static const struct fault_run *run;
static struct fault_sum sum;

/*
 * By site: how often the lives come to it without a fault, and the fault that leads to it, where
 * none does.
 */
static unsigned int calls[FAULT_MAX_LIVES][FAULT_MAX_SITES];
static struct fault leads_to[FAULT_MAX_SITES];

void
fault_expect_no_memory_left(void)
{
	const char *site = fault_left();

	if (site != NULL)
		print_error("%s memory is left of %s\n", life_where, site);
	expect(site == NULL);
}

static void
describe(char *text, size_t size, const struct fault *f, const struct fault *also)
{
	int n = snprintf(text, size, "%s, %s, call %u, error %u", f->life->name,
		fault_site_name(f->site), f->nth, f->way);

	if (also != NULL)
		snprintf(text + n, size - n, " and %s, error %u", fault_site_name(also->site),
			also->way);
}

/* Places that nothing but this has led to. */
static void
note_led_to(const struct fault *f)
{
	unsigned int i, k;

	for (i = 0; i < fault_n_sites(); i++) {
		for (k = 0; k < run->n_lives && calls[k][i] == 0; k++)
			;
		if (k == run->n_lives && leads_to[i].life == NULL && fault_site_get(i).calls != 0)
			leads_to[i] = *f;
	}
}

static void
live_with(const struct fault *f, const struct fault *also)
{
	char text[512];
	bool came;
	int rc;

	describe(text, sizeof(text), f, also);
	life_where = text;
	fault_life_begins();
	fault_count_from_0();
	fault_n_armed = also != NULL ? 2 : 1;
	fault_arm(0, f->site, f->nth, f->way);
	if (also != NULL)
		fault_arm(1, also->site, also->nth, also->way);
	rc = f->life->live();
	came = fault_disarm(0);
	fault_disarm(1);
	note_led_to(f);
	sum.lives++;
	sum.not_met += !came;
	sum.ended_early += rc != 0;
	expect(came || rc == 0);
	run->check(f, also, rc);
}

/* Twice: what is made once, for ever, is made, and threads have taken turns. */
static void
live_without(void)
{
	unsigned int turn, k, i;

	life_where = "nothing";
	fault_n_armed = 0;
	for (turn = 0; turn < 2; turn++)
		for (k = 0; k < run->n_lives; k++) {
			fault_count_from_0();
			assert_int_equal(run->lives[k].live(), 0);
			for (i = 0; i < fault_n_sites(); i++)
				calls[k][i] = RTE_MAX(calls[k][i], fault_site_get(i).calls);
		}
	run->settled();
}

static void
fail_all_ways(struct fault *f)
{
	unsigned int n = fault_n_ways(f->site);

	for (f->way = 0; f->way < n; f->way++)
		live_with(f, NULL);
}

/* Each call: what has been done before it differs. */
static void
fail_each_call(struct fault *f)
{
	unsigned int n = RTE_MIN(calls[f->life - run->lives][f->site], MAX_CALLS);

	f->way = 0;
	for (f->nth = 2; f->nth <= n; f->nth++)
		live_with(f, NULL);
}

/* In the first life that comes there. */
static void
fail_in_lives(unsigned int i)
{
	const struct fault_life *life;
	struct fault f = { .site = i };
	bool some = false;
	unsigned int k;

	for (k = 0; k < run->n_lives; k++) {
		life = &run->lives[k];
		if (calls[k][i] == 0 ||
			(some && life->at != FAULT_EACH && (!run->full || life->at == FAULT_SLOW)))
			continue;
		some = true;
		f.life = life;
		f.nth = 1;
		fail_all_ways(&f);
		if (run->full && life->at != FAULT_SLOW)
			fail_each_call(&f);
	}
}

/* There are more of them at the end than at the beginning. */
static void
fail_where_led(void)
{
	struct fault also = { .nth = 1 };
	unsigned int i;

	for (i = 0; i < fault_n_sites(); i++) {
		also.site = i;
		for (also.way = 0; leads_to[i].life != NULL && also.way < fault_n_ways(i);
			also.way++)
			live_with(&leads_to[i], &also);
	}
}

static bool
has_failed(const struct fault *f)
{
	return (fault_site_get(f->site).failed >> f->way & 1) != 0;
}

/* In whatever life comes there, until it has. */
static void
fail_missed(struct fault *f)
{
	unsigned int k;

	for (k = 0; k < run->n_lives && !has_failed(f); k++) {
		f->life = &run->lives[k];
		if (calls[k][f->site] != 0)
			live_with(f, NULL);
	}
	if (leads_to[f->site].life != NULL && !has_failed(f))
		live_with(&leads_to[f->site], f);
}

/* Threads take turns: what a life came to once, it may not have come to in its turn. */
static void
fail_what_was_missed(void)
{
	struct fault f = { .nth = 1 };
	unsigned int tries;

	for (tries = 0; tries < 5; tries++)
		for (f.site = 0; f.site < fault_n_sites(); f.site++)
			for (f.way = 0; f.way < fault_n_ways(f.site); f.way++)
				fail_missed(&f);
}

struct fault_sum
fault_run(const struct fault_run *r)
{
	unsigned int i, n;

	assert_true(r->n_lives <= FAULT_MAX_LIVES);
	run = r;
	live_without();
	n = fault_n_sites();
	for (i = 0; i < n; i++)
		fail_in_lives(i);
	fail_where_led();
	fail_what_was_missed();
	print_message(
		"%u places that call the system, %u lives with a fault, %u ended early, %u did "
		"not come to it\n",
		fault_n_sites(), sum.lives, sum.ended_early, sum.not_met);
	return sum;
}
