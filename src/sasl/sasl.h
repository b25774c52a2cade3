/* SPDX-License-Identifier: ISC */
/*
 * sasl/sasl - one login, as a machine without input or output (RFC 4422)
 *
 *   begin --> SAY <--> respond            (challenges and responses)
 *               \--> LOOK_UP --looked_up--> CHECK --checked--> YES | NO
 *                                      \--> SAY (SCRAM) ...
 *
 * A step takes the client's words or an answer and says what is wanted next.
 * Lives in the keeper, which alone sees verifiers; fronts only carry base 64.
 * A name that nobody has goes the same way as one that somebody has: looked_up
 * with no rows, then the same steps to NO. Holds the typed password until
 * sasl_wipe. Rows are the owner's, and stay until the end.
 */
#ifndef SASL_SASL_H
#define SASL_SASL_H

#include "sasl/mechanism.h"
#include "sasl/message.h"
#include "sasl/scram.h"

enum {
	SASL_RESPONSE_MAX = 9216, /* of 12,288 of base 64 (RFC 4954, 4) */
	SASL_CHALLENGE_MAX = 640
};

enum sasl_want {
	SASL_SAY,         /* s->challenge, then sasl_respond */
	SASL_TOKEN,       /* is s->token good, and whose? sasl_owner_is */
	SASL_LOOK_UP,     /* the rows of s->name: sasl_looked_up */
	SASL_CHECK,       /* s->password against the rows: sasl_checked */
	SASL_CERTIFICATE, /* whose is the client's? sasl_owner_is */
	SASL_YES,         /* as row s->used */
	SASL_NO,          /* 535 */
	SASL_MALFORMED    /* 501 */
};

/* What the store keeps: one password, or one application password. */
struct sasl_row {
	uint32_t n;        /* 0: the account's own */
	uint32_t services; /* SASL_FOR_* it is good for */
	struct slice set;  /* of verifiers (sasl/keys.h) */
};
enum { /* stored: never renumber */
	SASL_FOR_SMTP = 1,
	SASL_FOR_IMAP = 2,
	SASL_FOR_POP3 = 4,
	SASL_FOR_ALL = 7
};

enum sasl_state {
	SASL_AT_FIRST, /* awaits the first response */
	SASL_AT_PASSWORD,
	SASL_AT_FINAL,
	SASL_AT_END,    /* v= was said: an empty response */
	SASL_AT_ERROR,  /* the token's error was said: any response */
	SASL_AT_ANSWER, /* of the owner */
	SASL_OVER
};

struct sasl {
	uint8_t mechanism, state;
	unsigned offered;
	struct sasl_binding binding;
	uint32_t service; /* SASL_FOR_* */
	uint32_t used;
	size_t name_len, authzid_len, password_len, token_len;
	char name[LIMIT_ADDRESS], authzid[LIMIT_ADDRESS];
	uint8_t password[SASL_PASSWORD_MAX];
	uint8_t token[SASL_TOKEN_MAX];
	/* JSON for the client whose token is refused, the owner's; empty: the
	 * least there is. Set between SASL_TOKEN and sasl_owner_is. */
	struct slice token_error;
	struct sasl_scram scram;
	const struct sasl_row *rows;
	size_t n_rows;
	size_t challenge_len;
	uint8_t challenge[SASL_CHALLENGE_MAX];
};

/* offered: mask. initial: NULL when none was sent. The mechanism is offered. */
enum sasl_want sasl_begin(struct sasl *s, enum sasl_mechanism mechanism,
    unsigned offered, uint32_t service, const struct sasl_binding *binding,
    const struct slice *initial);
enum sasl_want sasl_respond(struct sasl *s, struct slice response);

/* What SCRAM shows to those who have no keys: the same to anyone who asks
 * again, and of the same looks as what others have. */
struct sasl_stand_in {
	uint8_t salt[SASL_SALT];
	char nonce[SASL_SCRAM_NONCE]; /* printable, fresh, without comma */
};
enum sasl_want sasl_looked_up(struct sasl *s, const struct sasl_row *rows,
    size_t n_rows, const struct sasl_stand_in *stand_in);
/* used: which row. */
enum sasl_want sasl_checked(struct sasl *s, bool is_right, uint32_t used);
/* name: of whom the token or certificate speaks; empty: it is not good. Then
 * looked_up with any row says that there is such an account. */
enum sasl_want sasl_owner_is(struct sasl *s, struct slice name);

/* A response as it travels; "=" is an empty one that is the first (RFC 4954,
 * 4). False: not base 64, or too long. */
bool sasl_decode(struct slice base64, bool is_initial,
    uint8_t at[SASL_RESPONSE_MAX], size_t *ret_len);

struct slice sasl_name(const struct sasl *s);
struct slice sasl_password(const struct sasl *s);
void sasl_wipe(struct sasl *s);

#endif
