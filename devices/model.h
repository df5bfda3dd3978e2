/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _MODEL_H_
#define _MODEL_H_

#include <stdbool.h>
#include <stddef.h>

#include "vfu.h"

/* What ims-devsrv knows of a device model. */

struct model_opts {
	char *args; /* "key=value,..." or NULL; the model cuts it up */
	bool trace;
	char error[256]; /* one line, what was wrong and what was expected */
};

struct model {
	const char *name;
	const char *help; /* its keys, a line each */
	/* NULL with opts->error filled in. */
	void *(*create)(struct model_opts *opts);
	void (*destroy)(void *priv);
	/* Print counters to stderr; called with the device's lock held. */
	void (*dump)(void *priv);
	struct vfu *(*vfu)(void *priv);
};

extern const struct model queue_dev_model;
extern const struct model timer_ims_model;

/* Parse a number of a key: false with opts->error if it is none, or not in min .. max. */
bool
model_number(struct model_opts *opts, const char *key, const char *val, unsigned long min,
	unsigned long max, unsigned long *num);

#endif /* _MODEL_H_ */
