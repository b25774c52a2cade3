/* SPDX-License-Identifier: ISC */
#include "sasl/mechanism.h"

const char *const sasl_mechanism_names[N_SASL_MECHANISMS] = {
	[SASL_SCRAM_SHA_256_PLUS] = "SCRAM-SHA-256-PLUS",
	[SASL_SCRAM_SHA_1_PLUS] = "SCRAM-SHA-1-PLUS",
	[SASL_SCRAM_SHA_256] = "SCRAM-SHA-256",
	[SASL_SCRAM_SHA_1] = "SCRAM-SHA-1",
	[SASL_EXTERNAL] = "EXTERNAL",
	[SASL_OAUTHBEARER] = "OAUTHBEARER",
	[SASL_XOAUTH2] = "XOAUTH2",
	[SASL_PLAIN] = "PLAIN",
	[SASL_LOGIN] = "LOGIN",
};

enum sasl_mechanism
sasl_mechanism_find(struct slice name)
{
	enum sasl_mechanism m;

	for (m = 0; m < N_SASL_MECHANISMS; m++)
		if (slice_equal_nocase(name,
			slice_cstr(sasl_mechanism_names[m])))
			break;
	return m;
}

bool
sasl_mechanisms_parse(struct slice list, unsigned *ret_mask)
{
	unsigned mask = 0;
	struct slice name;
	bool is_last = false;

	while (!is_last) {
		enum sasl_mechanism m;

		is_last = !slice_take_until(&list, ' ', &name) &&
		    !slice_take_until(&list, '\n', &name);
		if (is_last)
			name = list;
		m = sasl_mechanism_find(name);
		if (m == N_SASL_MECHANISMS)
			return false;
		mask |= SASL_BIT(m);
	}
	*ret_mask = mask;
	return true;
}

int
sasl_mechanisms_print(unsigned mask, const char *before, struct buf *out)
{
	int r = 0;

	for (unsigned m = 0; r == 0 && m < N_SASL_MECHANISMS; m++)
		if ((mask & SASL_BIT(m)) != 0)
			r = buf_printf(out, "%s%s", before,
			    sasl_mechanism_names[m]);
	return r;
}
