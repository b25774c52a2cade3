/* SPDX-License-Identifier: ISC */
/*
 * imap/command - one IMAP command with its arguments, parsed (RFC 3501, 6)
 *
 * The whole command is parsed before any of it is carried out; what does not
 * fit the grammar to its last byte is BAD. Everything lives in the arena and
 * in the bytes that were parsed. Mailbox names are UTF-8 here, INBOX in its
 * canonical spelling; wire names that are no modified UTF-7 are told apart
 * from bad syntax, because the answer to them is NO.
 */
#ifndef IMAP_COMMAND_H
#define IMAP_COMMAND_H

#include "imap/parse.h"

enum imap_verb {
	IMAP_NONE,
	IMAP_APPEND,
	IMAP_AUTHENTICATE,
	IMAP_CANCELUPDATE,
	IMAP_CAPABILITY,
	IMAP_CHECK,
	IMAP_CLOSE,
	IMAP_COPY,
	IMAP_CREATE,
	IMAP_DELETE,
	IMAP_ENABLE,
	IMAP_ESEARCH,
	IMAP_EXAMINE,
	IMAP_EXPUNGE,
	IMAP_FETCH,
	IMAP_GETMETADATA,
	IMAP_GETQUOTA,
	IMAP_GETQUOTAROOT,
	IMAP_ID,
	IMAP_IDLE,
	IMAP_LIST,
	IMAP_LOGIN,
	IMAP_LOGOUT,
	IMAP_LSUB,
	IMAP_MOVE,
	IMAP_NAMESPACE,
	IMAP_NOOP,
	IMAP_RENAME,
	IMAP_REPLACE,
	IMAP_SEARCH,
	IMAP_SELECT,
	IMAP_SORT,
	IMAP_SETMETADATA,
	IMAP_SETQUOTA,
	IMAP_STARTTLS,
	IMAP_STATUS,
	IMAP_STORE,
	IMAP_SUBSCRIBE,
	IMAP_THREAD,
	IMAP_UNSELECT,
	IMAP_UNSUBSCRIBE,
	IMAP_COMPRESS,
	IMAP_NOTIFY,
	IMAP_LANGUAGE,
	IMAP_UNAUTHENTICATE,
	IMAP_N_VERBS
};

enum imap_item {
	IMAP_ITEM_FLAGS,
	IMAP_ITEM_UID,
	IMAP_ITEM_INTERNALDATE,
	IMAP_ITEM_SIZE,
	IMAP_ITEM_MODSEQ,
	IMAP_ITEM_ENVELOPE,
	IMAP_ITEM_BODY,
	IMAP_ITEM_BODYSTRUCTURE,
	IMAP_ITEM_SAVEDATE, /* RFC 8514 */
	IMAP_ITEM_EMAILID,  /* RFC 8474 */
	IMAP_ITEM_THREADID,
	IMAP_ITEM_PREVIEW, /* RFC 8970 */
	/* from here on: sections */
	IMAP_ITEM_BINARY, /* RFC 3516 */
	IMAP_ITEM_BINARY_SIZE,
	IMAP_ITEM_SECTION /* BODY[...] and the RFC822 forms */
};

enum imap_part_kind {
	IMAP_PART_ALL,
	IMAP_PART_HEADER,
	IMAP_PART_FIELDS,
	IMAP_PART_FIELDS_NOT,
	IMAP_PART_TEXT,
	IMAP_PART_MIME
};

struct imap_fetch_item {
	enum imap_item what;
	enum imap_part_kind kind;
	const char *label; /* "RFC822.HEADER"; NULL: BODY[...] */
	bool sets_seen;
	bool is_lazy; /* PREVIEW (LAZY) */
	bool has_partial;
	uint32_t offset, length;
	uint32_t *path; /* part numbers */
	size_t n_path;
	struct slice *fields;
	size_t n_fields;
};

struct imap_fetch_args {
	struct imap_fetch_item *items;
	size_t n;
};

enum imap_key {
	IMAP_KEY_ALL,
	IMAP_KEY_SET,
	IMAP_KEY_UID,
	IMAP_KEY_FLAG, /* all of `bits` */
	IMAP_KEY_NO_FLAG,
	IMAP_KEY_KEYWORD,
	IMAP_KEY_NO_KEYWORD,
	IMAP_KEY_BEFORE,
	IMAP_KEY_ON,
	IMAP_KEY_SINCE,
	IMAP_KEY_SENT_BEFORE,
	IMAP_KEY_SENT_ON,
	IMAP_KEY_SENT_SINCE,
	IMAP_KEY_LARGER,
	IMAP_KEY_SMALLER,
	IMAP_KEY_HEADER, /* `field` contains `text` */
	IMAP_KEY_BODY,
	IMAP_KEY_TEXT,
	IMAP_KEY_NOT,
	IMAP_KEY_OR,
	IMAP_KEY_AND,
	IMAP_KEY_OLDER, /* RFC 5032: `number` seconds */
	IMAP_KEY_YOUNGER,
	IMAP_KEY_MODSEQ,       /* RFC 7162: `number64` */
	IMAP_KEY_SAVED_BEFORE, /* RFC 8514 */
	IMAP_KEY_SAVED_ON,
	IMAP_KEY_SAVED_SINCE,
	IMAP_KEY_EMAIL_ID, /* RFC 8474: `text` */
	IMAP_KEY_THREAD_ID,
	IMAP_N_KEYS
};

struct imap_pick; /* imap/view.h */

struct imap_search {
	enum imap_key what;
	struct imap_search *next;  /* in the list of an AND */
	struct imap_search *first; /* of NOT, OR (two of them), AND */
	struct imap_set set;
	struct imap_pick *picks; /* search.c's: what the set means */
	size_t n_picks;
	uint8_t bits;
	uint32_t number;
	uint64_t number64;
	int64_t day;
	struct slice field, text;
	struct slice folded;  /* search.c's: text in folded case */
	bool is_found;        /* search.c's: seen in the bytes so far */
	bool was_header_read; /* search.c's: of TEXT */
	const uint8_t *may;   /* search_find.c's: a bit for each row; of
			       * the others it is not true */
};

enum {
	IMAP_STATUS_MESSAGES = 1,
	IMAP_STATUS_RECENT = 2,
	IMAP_STATUS_UIDNEXT = 4,
	IMAP_STATUS_UIDVALIDITY = 8,
	IMAP_STATUS_UNSEEN = 16,
	IMAP_STATUS_DELETED = 32,
	IMAP_STATUS_SIZE = 64,
	IMAP_STATUS_HIGHESTMODSEQ = 128,
	IMAP_STATUS_APPENDLIMIT = 256,
	IMAP_STATUS_MAILBOXID = 512,
	IMAP_STATUS_DELETED_STORAGE = 1024
};

/* Options of LIST (RFC 5258, 6154): which names, and what is told of them. */
enum {
	IMAP_LIST_SPECIAL_USE = 1, /* only those with a special use */
	IMAP_LIST_SUBSCRIBED = 2,  /* only those that are subscribed */
	IMAP_LIST_TELLS_SUBSCRIBED = 4,
	IMAP_LIST_EXTENDED = 8,   /* RFC 5258's syntax was used */
	IMAP_LIST_RECURSIVE = 16, /* and what is above such names */
	IMAP_LIST_METADATA = 32,  /* RFC 9590: cmd.notes */
	IMAP_LIST_SELECTS = IMAP_LIST_SPECIAL_USE | IMAP_LIST_SUBSCRIBED
};

/* What a search is to tell (RFC 4731, 5182, 5267, 9394). */
enum {
	IMAP_RETURN_MIN = 1,
	IMAP_RETURN_MAX = 2,
	IMAP_RETURN_ALL = 4,
	IMAP_RETURN_COUNT = 8,
	IMAP_RETURN_SAVE = 16,
	IMAP_RETURN_PARTIAL = 32,
	IMAP_RETURN_UPDATE = 64,
	IMAP_RETURN_CONTEXT = 128 /* a hint */
};

enum imap_sort {
	IMAP_SORT_ARRIVAL,
	IMAP_SORT_CC,
	IMAP_SORT_DATE,
	IMAP_SORT_FROM,
	IMAP_SORT_SIZE,
	IMAP_SORT_SUBJECT,
	IMAP_SORT_TO,
	IMAP_SORT_DISPLAY_FROM, /* RFC 5957 */
	IMAP_SORT_DISPLAY_TO,
	IMAP_N_SORTS
};

struct imap_sort_key {
	enum imap_sort what;
	bool is_reverse;
};

/* Where ESEARCH looks (RFC 7377, 2.2; 5465, 6). */
enum imap_source_what {
	IMAP_SOURCE_SELECTED,
	IMAP_SOURCE_INBOXES,
	IMAP_SOURCE_PERSONAL,
	IMAP_SOURCE_SUBSCRIBED,
	IMAP_SOURCE_SUBTREE,
	IMAP_SOURCE_SUBTREE_ONE,
	IMAP_SOURCE_MAILBOXES
};

struct imap_source {
	enum imap_source_what what;
	struct slice name; /* of the last three; each name is one source */
	struct imap_source *next;
};

enum imap_thread {
	IMAP_THREAD_SUBJECT,
	IMAP_THREAD_REFERENCES
};

enum imap_store_mode {
	IMAP_STORE_SET,
	IMAP_STORE_ADD,
	IMAP_STORE_REMOVE
};

/* RFC 7162 (args_sync.c). */
struct imap_sync_args {
	bool condstore, qresync; /* SELECT */
	bool has_since;          /* CHANGEDSINCE, UNCHANGEDSINCE */
	bool wants_vanished, has_known;
	uint32_t uidvalidity;
	uint64_t modseq; /* of any of them */
	struct imap_set known, match_numbers, match_uids;
};

struct imap_note { /* an annotation (RFC 5464); entry in lower case */
	struct slice entry, value;
	bool is_removed;
};

enum imap_depth {
	IMAP_DEPTH_0,
	IMAP_DEPTH_1,
	IMAP_DEPTH_INFINITY
};

struct imap_command {
	struct slice tag;
	enum imap_verb verb;
	bool is_uid;
	struct slice name, to;     /* mailboxes, UTF-8 */
	struct slice text;         /* GETQUOTA: a root */
	struct slice user, secret; /* LOGIN; AUTHENTICATE: mechanism and
				    * initial response */
	bool has_secret;
	struct slice reference; /* LIST, LSUB: as on the wire */
	struct slice *patterns;
	size_t n_patterns;
	unsigned list;    /* IMAP_LIST_* */
	struct slice use; /* CREATE: "\Sent" */
	struct imap_note *notes;
	size_t n_notes;
	enum imap_depth depth; /* GETMETADATA */
	bool has_max_size;
	uint32_t max_size;
	bool bad_use; /* or one that no mailbox can have here */
	struct imap_set set;
	struct imap_flags flags;
	enum imap_store_mode mode;
	bool is_silent;
	struct imap_fetch_args fetch;
	struct imap_search *search;
	bool bad_charset;
	struct slice charset; /* of its texts; empty: UTF-8 */
	bool has_modseq;      /* MODSEQ is among the keys */
	bool has_return;
	unsigned returns; /* IMAP_RETURN_* */
	struct imap_partial partial;
	struct imap_sort_key sort[IMAP_N_SORTS];
	size_t n_sort;
	enum imap_thread thread;
	struct imap_source *sources; /* NULL: the selected mailbox */
	unsigned status;
	struct imap_sync_args sync;
	struct slice *words; /* LANGUAGE */
	struct slice raw;    /* NOTIFY: its arguments as they came */
	size_t n_words;
	unsigned enable; /* IMAP_ENABLED_* (imap/capability.h) */
	bool has_date;
	int64_t date;
	int zone;
};

enum {
	IMAP_COMMAND_OK,
	IMAP_COMMAND_BAD,     /* syntax; `tag` and `verb` as far as known */
	IMAP_COMMAND_UNKNOWN, /* no such command */
	IMAP_COMMAND_NAME,    /* NO: not a mailbox name */
	IMAP_COMMAND_TOO_MUCH /* BAD or NO: a limit */
};

/* The tag and the verb; `in` is behind them. UID is taken into is_uid. */
int imap_command_begin(struct imap_in *in, struct imap_command *ret);
/* The arguments, to the end; not of APPEND and REPLACE (append_args.h). */
int imap_command_args(struct imap_in *in, struct imap_command *ret);

/* A name as a client writes it to what the store knows it by. False: cannot
 * be a mailbox. */
bool imap_name_decode(struct imap_in *in, struct slice wire, struct slice *ret);

/* The special use that a mailbox can be given, in its own spelling, or NULL. */
const char *imap_find_use(struct slice word);

/* search_args.c, fetch_args.c */
int imap_search_args(struct imap_in *in, struct imap_command *ret);
/* ["CHARSET" SP charset SP] 1*(SP search-key), to the end; _charset: with the
 * charset in any case, without that word. */
int imap_search_program_args(struct imap_in *in, struct imap_command *ret);
int imap_search_charset_args(struct imap_in *in, struct imap_command *ret);

/* args_search.c */
bool imap_take_partial(struct imap_in *in, struct imap_partial *ret);
bool imap_take_return(struct imap_in *in, struct imap_command *c);
int imap_sort_args(struct imap_in *in, struct imap_command *c);
int imap_esearch_args(struct imap_in *in, struct imap_command *c);
int imap_cancelupdate_args(struct imap_in *in, struct imap_command *c);
int imap_thread_args(struct imap_in *in, struct imap_command *c);

int imap_fetch_args(struct imap_in *in, struct imap_command *ret);
/* "(" fetch-att *(SP fetch-att) ")" */
bool imap_take_fetch_atts(struct imap_in *in, struct imap_fetch_args *ret);
/* What stands behind the "[" of BODY[, with its partial. */
bool imap_take_section(struct imap_in *in, struct imap_fetch_item *item);
/* args_sync.c: "(" modifiers ")"; false: bad syntax, or a limit. */
bool imap_take_fetch_modifiers(struct imap_in *in, struct imap_command *c);
bool imap_take_store_modifiers(struct imap_in *in, struct imap_command *c);

#endif
