/* SPDX-License-Identifier: ISC */
/*
 * policy/sts - MTA-STS: what a domain demands of who sends to it (RFC 8461)
 *
 * Three parsers and a decision. The TXT record at _mta-sts.DOMAIN says that
 * there is a policy, and which one (its id); the policy itself is a small text
 * fetched by HTTPS. Both are hostile. sts_decide says, of what is cached and
 * what the DNS says now, whether to use it, to fetch, or to do without.
 *
 * Pure. Nothing is repaired: what is not of its form is no policy. Limits:
 * LIMIT_STS_POLICY for the text, STS_MX for all patterns together.
 */
#ifndef POLICY_STS_H
#define POLICY_STS_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/slice.h"
#include "base/time.h"

enum {
	STS_ID = 33,            /* 1*32(ALPHA / DIGIT), and its NUL */
	STS_MX = 8192,          /* patterns, one space between */
	STS_MAX_AGE = 31557600, /* seconds; RFC 8461, 3.2 */
	STS_WHY = 200
};
#define STS_REFRESH TIME_DAY        /* 3.3: "once per day" */
#define STS_AGAIN (5 * TIME_MINUTE) /* 3.3: after a failed fetch */

enum sts_mode {
	STS_NONE, /* no policy, or one that says so */
	STS_TESTING,
	STS_ENFORCE
};

/* What became of looking for a policy, for reports (RFC 8460, 4.3.2.2). */
enum sts_result {
	STS_RESULT_OK,      /* a policy, or there is none */
	STS_RESULT_FETCH,   /* sts-policy-fetch-error */
	STS_RESULT_INVALID, /* sts-policy-invalid */
	STS_RESULT_WEBPKI   /* sts-webpki-invalid */
};

const char *sts_mode_name(enum sts_mode mode); /* "enforce" */
bool sts_mode_parse(struct slice name, enum sts_mode *ret);
/* "sts-policy-fetch-error"; "" of STS_RESULT_OK. */
const char *sts_result_name(enum sts_result result);

enum {
	STS_OK,
	STS_E_ABSENT, /* no record of ours */
	STS_E_MANY,   /* more than one */
	STS_E_SYNTAX
};

/* The text of one record (3.1). */
int sts_record_parse(struct slice text, char id[STS_ID]);
/* All TXT records of the name, as rdata. */
int sts_records_read(const struct slice *rdata, size_t n, char id[STS_ID]);

struct sts_policy {
	enum sts_mode mode;
	uint32_t max_age; /* seconds */
};

/* The file (3.2). Its patterns are added to `mx` in lower case, one space
 * between. STS_OK; STS_E_SYNTAX with *ret_why, static text; or -ENOMEM. */
int sts_policy_parse(struct slice text, struct buf *mx, struct sts_policy *ret,
    const char **ret_why);

/* Whether a host is one of `mx` (4.1): "*." stands for one label. */
bool sts_mx_matches(struct slice mx, struct slice host);
/* Only patterns as sts_policy_parse makes them: what came from elsewhere. */
bool sts_mx_is_valid(struct slice mx);

/* -- what to do -----------------------------------------------------------
 */

enum sts_txt {
	STS_TXT_ID,    /* one good record */
	STS_TXT_NONE,  /* none, or nothing that counts as one */
	STS_TXT_FAILED /* the DNS did not say */
};

struct sts_state {
	bool has_policy;
	char id[STS_ID];  /* the TXT record's, when it was fetched */
	int64_t fetched;  /* wall */
	uint32_t max_age; /* seconds */
	bool has_failed;  /* the last fetch; of this id, then */
	char failed_id[STS_ID];
	int64_t failed;
};

enum sts_step {
	STS_USE,      /* the cached policy */
	STS_WITHOUT,  /* there is none */
	STS_FETCH,    /* and wait for it: it is new */
	STS_USE_FETCH /* use the cached one, and fetch to have a fresh one */
};

bool sts_is_valid(const struct sts_state *s, int64_t now);
enum sts_step sts_decide(const struct sts_state *s, int64_t now,
    enum sts_txt txt, const char *id);
/* Whether it is to be fetched again although nobody asks (3.3). */
bool sts_wants_refresh(const struct sts_state *s, int64_t now);

#endif
