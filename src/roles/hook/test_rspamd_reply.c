/* SPDX-License-Identifier: ISC */
/* What Rspamd's JSON becomes: an action, a text, changes of header and
 * envelope; and what is no reply of its form. */
#include <stdlib.h>

#include "base/test.h"
#include "hook/hook.h"
#include "roles/hook/rspamd_reply.h"

#define BEFORE "Subject: old\r\nX-Old: 1\r\nX-Old: 2\r\nX-Old: 3\r\n"

static const struct {
	const char *what;
	struct slice json;
	bool is_bad;
	enum rspamd_action action;
	struct slice text;
	struct slice header; /* afterwards; empty: as before */
	size_t n_envelope;
} replies[] = {
	{ "nothing against it", SLICE("{\"action\":\"no action\"}"),
	    .action = RSPAMD_NO_ACTION },
	{ "greylist", SLICE("{\"action\":\"greylist\"}"),
	    .action = RSPAMD_LATER },
	{ "soft reject with words",
	    SLICE("{\"action\":\"soft reject\",\"messages\":{"
		  "\"smtp_message\":\"slow down\"}}"),
	    .action = RSPAMD_LATER, .text = SLICE("slow down") },
	{ "words that could end the line",
	    SLICE("{\"action\":\"reject\",\"messages\":{"
		  "\"smtp_message\":\"no\\r\\n250 yes\"}}"),
	    .action = RSPAMD_REJECT },
	{ "reject that means quarantine",
	    SLICE("{\"action\":\"reject\",\"milter\":{"
		  "\"reject\":\"quarantine\"}}"),
	    .action = RSPAMD_QUARANTINE },
	{ "add header", SLICE("{\"action\":\"add header\"}"),
	    .action = RSPAMD_ADD_HEADER,
	    .header = SLICE(BEFORE "X-Spam: Yes\r\n") },
	{ "rewrite subject",
	    SLICE("{\"action\":\"rewrite subject\",\"subject\":\"new\"}"),
	    .action = RSPAMD_REWRITE_SUBJECT,
	    .header = SLICE("X-Old: 1\r\nX-Old: 2\r\nX-Old: 3\r\n"
			    "Subject: new\r\n") },
	{ "fields taken out, by number from either end",
	    SLICE("{\"action\":\"no action\",\"milter\":{"
		  "\"remove_headers\":{\"x-old\":[1,-1]}}}"),
	    .header = SLICE("Subject: old\r\nX-Old: 2\r\n") },
	{ "fields added, one in front",
	    SLICE("{\"action\":\"no action\",\"milter\":{\"add_headers\":{"
		  "\"X-A\":{\"value\":\"a\",\"order\":0},"
		  "\"X-B\":[\"b\",\"c\"]}}}"),
	    .header = SLICE("X-A: a\r\n" BEFORE "X-B: b\r\nX-B: c\r\n") },
	{ "changes of the envelope",
	    SLICE("{\"action\":\"no action\",\"milter\":{"
		  "\"add_rcpt\":[\"a@one.example\",5],"
		  "\"del_rcpt\":[\"b@one.example\"],"
		  "\"change_from\":\"c@one.example\"}}"),
	    .n_envelope = 3 },
	{ "no action that we know", SLICE("{\"action\":\"explode\"}"),
	    .is_bad = true },
	{ "no action at all", SLICE("{}"), .is_bad = true },
	{ "two actions",
	    SLICE("{\"action\":\"no action\",\"action\":\"reject\"}"),
	    .is_bad = true },
	{ "an array", SLICE("[{\"action\":\"no action\"}]"), .is_bad = true },
	{ "half of it", SLICE("{\"action\":\"no action\""), .is_bad = true },
	{ "nothing", SLICE(""), .is_bad = true },
	{ "something behind it", SLICE("{\"action\":\"no action\"}x"),
	    .is_bad = true },
};

static void
parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		struct rspamd_reply *r = calloc(1, sizeof(*r));
		struct hook_header h;
		struct arena arena;
		struct buf out;

		test_case(replies[i].what);
		arena_init(&arena, 64 * 1024);
		test_true(r != NULL);
		test_true(rspamd_reply_parse(replies[i].json, &arena, r) !=
		    replies[i].is_bad);
		if (!replies[i].is_bad) {
			test_int(r->action, replies[i].action);
			test_slice(r->text, replies[i].text);
			test_int(r->n_envelope, replies[i].n_envelope);
			test_int(hook_header_init(&h, SLICE(BEFORE)), HOOK_OK);
			test_int(rspamd_reply_apply(r, &h), HOOK_OK);
			buf_init(&out, 4096);
			test_int(hook_header_print(&h, &out), HOOK_OK);
			test_slice(buf_slice(&out),
			    replies[i].header.len > 0 ? replies[i].header
						      : SLICE(BEFORE));
			buf_deinit(&out);
			hook_header_deinit(&h);
		}
		arena_reset(&arena);
		free(r);
	}
}

/* RFC 5322: what would be no field, or two, is refused as a whole. */
static void
refuses_illegal_fields(void **state)
{
	static const struct slice bad[] = {
		SLICE("{\"action\":\"no action\",\"milter\":{\"add_headers\":{"
		      "\"X-A\":\"b\\r\\n\\r\\ninjected\"}}}"),
		SLICE("{\"action\":\"no action\",\"milter\":{\"add_headers\":{"
		      "\"X A\":\"b\"}}}"),
		SLICE("{\"action\":\"no action\",\"milter\":{\"add_headers\":{"
		      "\"\":\"b\"}}}"),
		SLICE("{\"action\":\"no action\",\"milter\":{\"add_headers\":{"
		      "\"X-A\":\"b\\u0000c\"}}}"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rspamd_reply *r = calloc(1, sizeof(*r));
		struct hook_header h;
		struct arena arena;

		arena_init(&arena, 64 * 1024);
		test_true(r != NULL);
		test_int(hook_header_init(&h, SLICE(BEFORE)), HOOK_OK);
		test_true(!rspamd_reply_parse(bad[i], &arena, r) ||
		    rspamd_reply_apply(r, &h) != HOOK_OK);
		hook_header_deinit(&h);
		arena_reset(&arena);
		free(r);
	}
}

TEST_MAIN(cmocka_unit_test(parses), cmocka_unit_test(refuses_illegal_fields))
