/* SPDX-License-Identifier: ISC */
/* A record that is taken has an id of its form; a policy that is taken has
 * patterns that are taken again, and says the same when it is written out. */
#include <stdlib.h>
#include <string.h>

#include "policy/sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_record(struct slice in)
{
	char id[STS_ID] = "";

	if (sts_record_parse(in, id) == STS_OK) {
		if (id[0] == '\0' || strlen(id) >= STS_ID)
			abort();
		for (const char *c = id; *c != '\0'; c++)
			if (!ascii_is_alnum((uint8_t)*c))
				abort();
	}
	(void)sts_records_read(&in, 1, id);
}

static void
check_again(const struct sts_policy *policy, struct slice mx)
{
	struct sts_policy again;
	struct buf text, mx2;
	const char *why;

	buf_init(&text, 4 * LIMIT_STS_POLICY);
	buf_init(&mx2, 2 * STS_MX);
	(void)buf_printf(&text, "version: STSv1\r\nmode: %s\r\nmax_age: %u\r\n",
	    sts_mode_name(policy->mode), policy->max_age);
	while (mx.len > 0) {
		struct slice one;

		if (!slice_take_until(&mx, ' ', &one)) {
			one = mx;
			mx.len = 0;
		}
		(void)buf_printf(&text, "mx: %.*s\r\n", SLICE_FMT(one));
	}
	if (sts_policy_parse(buf_slice(&text), &mx2, &again, &why) != STS_OK ||
	    again.mode != policy->mode || again.max_age != policy->max_age)
		abort();
	buf_deinit(&text);
	buf_deinit(&mx2);
}

static void
check_policy(struct slice in)
{
	struct sts_policy policy;
	const char *why;
	struct buf mx;

	buf_init(&mx, 2 * STS_MX);
	if (sts_policy_parse(in, &mx, &policy, &why) == STS_OK) {
		if (!sts_mx_is_valid(buf_slice(&mx)) ||
		    policy.max_age > STS_MAX_AGE ||
		    (mx.len == 0 && policy.mode != STS_NONE))
			abort();
		check_again(&policy, buf_slice(&mx));
	} else if (why[0] == '\0') {
		abort();
	}
	(void)sts_mx_matches(buf_slice(&mx), in);
	(void)sts_mx_matches(in, SLICE("mail.example"));
	buf_deinit(&mx);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	check_record(slice_of(at, n));
	check_policy(slice_of(at, n));
	return 0;
}
