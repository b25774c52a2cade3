/* SPDX-License-Identifier: ISC */
#include "sys/https.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/time.h"

/* What we call of it, under the names of the library. */
struct curl_api {
	CURLcode (*global_init)(long flags);
	void (*global_cleanup)(void);
	curl_version_info_data *(*version_info)(CURLversion age);
	CURL *(*easy_init)(void);
	void (*easy_cleanup)(CURL *e);
	CURLcode (*easy_setopt)(CURL *e, CURLoption o, ...);
	CURLcode (*easy_getinfo)(CURL *e, CURLINFO i, ...);
	const char *(*easy_strerror)(CURLcode code);
	struct curl_slist *(*slist_append)(struct curl_slist *l, const char *s);
	void (*slist_free_all)(struct curl_slist *l);
	CURLM *(*multi_init)(void);
	CURLMcode (*multi_cleanup)(CURLM *m);
	CURLMcode (*multi_setopt)(CURLM *m, CURLMoption o, ...);
	CURLMcode (*multi_add_handle)(CURLM *m, CURL *e);
	CURLMcode (*multi_remove_handle)(CURLM *m, CURL *e);
	CURLMcode (*multi_assign)(CURLM *m, curl_socket_t fd, void *p);
	CURLMcode (*multi_socket_action)(CURLM *m, curl_socket_t fd, int what,
	    int *ret_running);
	CURLMsg *(*multi_info_read)(CURLM *m, int *ret_left);
};

#define SYMBOL(name)                                                           \
	{                                                                      \
		"curl_" #name, offsetof(struct curl_api, name)                 \
	}
static const struct {
	const char *name;
	size_t at;
} symbols[] = {
	SYMBOL(global_init),
	SYMBOL(global_cleanup),
	SYMBOL(version_info),
	SYMBOL(easy_init),
	SYMBOL(easy_cleanup),
	SYMBOL(easy_setopt),
	SYMBOL(easy_getinfo),
	SYMBOL(easy_strerror),
	SYMBOL(slist_append),
	SYMBOL(slist_free_all),
	SYMBOL(multi_init),
	SYMBOL(multi_cleanup),
	SYMBOL(multi_setopt),
	SYMBOL(multi_add_handle),
	SYMBOL(multi_remove_handle),
	SYMBOL(multi_assign),
	SYMBOL(multi_socket_action),
	SYMBOL(multi_info_read),
};

struct https {
	struct env *env;
	void *library;
	struct curl_api curl;
	CURLM *multi;
	X509_STORE *store;
	size_t n_authorities;
	struct list requests; /* of struct slot */
	struct list sockets;  /* of struct sock */
	struct env_timer timer;
	bool is_global;
};

struct sock {
	struct https *https;
	struct list link;
	struct env_watch watch;
};

struct slot {
	struct https *https;
	struct https_request *request;
	struct list link;
	CURL *easy;
	struct curl_slist *resolve, *headers;
	struct buf body;
	bool is_too_large;
	char host[HTTPS_HOST];
	char why[CURL_ERROR_SIZE];
};

/* -- the end of a request
 * --------------------------------------------------------- */

static void
slot_free(struct slot *s)
{
	struct https *h = s->https;

	if (s->easy != NULL) {
		(void)h->curl.multi_remove_handle(h->multi, s->easy);
		h->curl.easy_cleanup(s->easy);
	}
	h->curl.slist_free_all(s->resolve);
	h->curl.slist_free_all(s->headers);
	buf_deinit(&s->body);
	if (s->request != NULL)
		s->request->slot = NULL;
	list_remove(&s->link);
	free(s);
}

static enum https_error
error_of(const struct slot *s, CURLcode code)
{
	if (s->is_too_large || code == CURLE_FILESIZE_EXCEEDED)
		return HTTPS_E_LARGE;
	switch (code) {
	case CURLE_OK:
		return HTTPS_OK;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return HTTPS_E_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTPS_E_TIMEOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
		return HTTPS_E_CERTIFICATE;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CIPHER:
		return HTTPS_E_TLS;
	case CURLE_OUT_OF_MEMORY:
		return HTTPS_E_US;
	default:
		return HTTPS_E_PROTOCOL;
	}
}

/* The library quotes the peer in its texts. */
static void
clean(char *text)
{
	for (; *text != '\0'; text++)
		if (!ascii_is_print((uint8_t)*text) || *text == '"')
			*text = ' ';
}

static void
slot_end(struct slot *s, CURLcode code)
{
	const struct curl_api *curl = &s->https->curl;
	struct https_request *q = s->request;
	struct https_result result = { .error = error_of(s, code) };
	char *type = NULL;
	long status = 0;

	if (code != CURLE_OK && s->why[0] == '\0')
		(void)slice_to_cstr(slice_cstr(curl->easy_strerror(code)),
		    s->why, sizeof(s->why));
	clean(s->why);
	result.why = s->is_too_large ? "it is too large" : s->why;
	if (code == CURLE_OK) {
		(void)curl->easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE,
		    &status);
		(void)curl->easy_getinfo(s->easy, CURLINFO_CONTENT_TYPE, &type);
		result.status = (unsigned)status;
		result.content_type = slice_cstr(type);
		result.body = buf_slice(&s->body);
	}
	s->request = NULL;
	if (q != NULL) {
		q->slot = NULL;
		q->done(q, &result);
	}
	slot_free(s);
}

/* -- the library's turn
 * ------------------------------------------------------------- */

/* What has ended is told outside of the library's callbacks. */
static void
turn(struct https *h, int fd, int what)
{
	CURLMsg *m;
	int n;

	(void)h->curl.multi_socket_action(h->multi, fd, what, &n);
	while ((m = h->curl.multi_info_read(h->multi, &n)) != NULL) {
		struct slot *s = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)h->curl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE,
		    &s);
		if (s != NULL)
			slot_end(s, m->data.result);
	}
}

static void
on_ready(struct env_watch *w, unsigned events)
{
	struct sock *k = LIST_ENTRY(w, struct sock, watch);

	turn(k->https, w->fd,
	    ((events & ENV_READ) != 0 ? CURL_CSELECT_IN : 0) |
		((events & ENV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void
on_due(struct env_timer *t)
{
	turn(LIST_ENTRY(t, struct https, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int
on_timer_wish(CURLM *multi, long ms, void *ctx)
{
	struct https *h = ctx;

	(void)multi;
	h->timer.fire = on_due;
	if (ms < 0)
		env_timer_stop(h->env, &h->timer);
	else if (env_timer_set(h->env, &h->timer,
		     env_now(h->env) + ms * TIME_MS) < 0)
		return -1;
	return 0;
}

static void
sock_free(struct sock *k)
{
	env_watch_del(k->https->env, &k->watch);
	list_remove(&k->link);
	free(k);
}

static int
on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket)
{
	struct https *h = ctx;
	struct sock *k = socket;
	unsigned want = (what & CURL_POLL_IN) != 0 ? ENV_READ : 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (k != NULL)
			sock_free(k);
		(void)h->curl.multi_assign(h->multi, fd, NULL);
		return 0;
	}
	want |= (what & CURL_POLL_OUT) != 0 ? (unsigned)ENV_WRITE : 0u;
	if (k != NULL)
		return env_watch_want(h->env, &k->watch, want) < 0 ? -1 : 0;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return -1;
	k->https = h;
	if (env_watch_add(h->env, &k->watch, fd, want, on_ready) < 0) {
		free(k);
		return -1;
	}
	list_add_last(&h->sockets, &k->link);
	(void)h->curl.multi_assign(h->multi, fd, k);
	return 0;
}

static size_t
on_body(char *at, size_t size, size_t n, void *ctx)
{
	struct slot *s = ctx;

	if (buf_add(&s->body, slice_of(at, size * n)) == BUF_OK)
		return size * n;
	s->is_too_large = true;
	return 0;
}

/* Only DNS names count, and a star stands for a whole label (RFC 8461, 3.3). */
static CURLcode
on_context(CURL *easy, void *context, void *ctx)
{
	struct slot *s = ctx;
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);

	(void)easy;
	if (X509_STORE_up_ref(s->https->store) != 1)
		return CURLE_OUT_OF_MEMORY;
	SSL_CTX_set_cert_store(context, s->https->store);
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
		X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, s->host, 0) == 1
	    ? CURLE_OK
	    : CURLE_OUT_OF_MEMORY;
}

/* -- a request
 * --------------------------------------------------------------------- */

/* "+HOST:PORT:A,B": it need not ask, and forgets it again. */
static bool
set_addresses(struct slot *s, const struct https_question *q)
{
	char text[HTTPS_HOST + 16 + HTTPS_ADDRESSES * (ENV_ADDR_TEXT + 3)];
	int n = snprintf(text, sizeof(text), "+%s:%u:", s->host, q->port);

	for (size_t i = 0; i < q->n_addresses && i < HTTPS_ADDRESSES; i++) {
		bool is_6 = q->addresses[i].family == 6;
		char one[ENV_ADDR_TEXT];

		env_addr_print(&q->addresses[i], one);
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%s%s%s",
		    i > 0 ? "," : "", is_6 ? "[" : "", one, is_6 ? "]" : "");
	}
	s->resolve = s->https->curl.slist_append(NULL, text);
	return s->resolve != NULL;
}

static bool
set_content(struct slot *s, const struct https_question *q)
{
	const struct curl_api *curl = &s->https->curl;
	struct curl_slist *more;
	char type[100];

	if (!q->is_post)
		return true;
	(void)snprintf(type, sizeof(type), "Content-Type: %s", q->content_type);
	s->headers = curl->slist_append(NULL, type);
	more = curl->slist_append(s->headers, "Expect:");
	if (s->headers == NULL || more == NULL)
		return false;
	return curl->easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE,
		   (curl_off_t)q->content.len) == CURLE_OK &&
	    curl->easy_setopt(s->easy, CURLOPT_COPYPOSTFIELDS, q->content.at) ==
	    CURLE_OK &&
	    curl->easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers) ==
	    CURLE_OK;
}

static bool
set_numbers(struct slot *s, const struct https_question *q)
{
	const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_NOPROGRESS, 1 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_FRESH_CONNECT, 1 },
		{ CURLOPT_FORBID_REUSE, 1 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		{ CURLOPT_SSL_ENABLE_ALPN, 0 },
		{ CURLOPT_PATH_AS_IS, 1 },
		{ CURLOPT_TIMEOUT_MS, (long)(q->timeout / TIME_MS) },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (s->https->curl.easy_setopt(s->easy, numbers[i].option,
			numbers[i].value) != CURLE_OK)
			return false;
	return true;
}

static bool
set_texts(struct slot *s, const struct https_question *q)
{
	const struct {
		CURLoption option;
		const void *value;
	} texts[] = {
		{ CURLOPT_PROTOCOLS_STR, "https" },
		{ CURLOPT_PROXY, "" },
		{ CURLOPT_CAINFO, NULL },
		{ CURLOPT_CAPATH, NULL },
		{ CURLOPT_USERAGENT, "ulak/" ULAK_VERSION },
		{ CURLOPT_URL, q->url },
		{ CURLOPT_RESOLVE, s->resolve },
		{ CURLOPT_ERRORBUFFER, s->why },
		{ CURLOPT_PRIVATE, s },
		{ CURLOPT_WRITEDATA, s },
		{ CURLOPT_SSL_CTX_DATA, s },
	};
	const struct curl_api *curl = &s->https->curl;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (curl->easy_setopt(s->easy, texts[i].option,
			texts[i].value) != CURLE_OK)
			return false;
	return curl->easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_body) ==
	    CURLE_OK &&
	    curl->easy_setopt(s->easy, CURLOPT_SSL_CTX_FUNCTION, on_context) ==
	    CURLE_OK;
}

int
https_ask(struct https *h, struct https_request *q,
    const struct https_question *question)
{
	struct slot *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ERR_ORIGIN(-ENOMEM);
	*s = (struct slot){ .https = h, .easy = h->curl.easy_init() };
	buf_init(&s->body, question->max_body);
	list_add_last(&h->requests, &s->link);
	if (question->n_addresses == 0 ||
	    !slice_to_cstr(slice_cstr(question->host), s->host,
		sizeof(s->host)) ||
	    s->easy == NULL || !set_addresses(s, question) ||
	    !set_texts(s, question) || !set_numbers(s, question) ||
	    !set_content(s, question) ||
	    h->curl.multi_add_handle(h->multi, s->easy) != CURLM_OK) {
		slot_free(s);
		return ERR_ORIGIN(-EINVAL);
	}
	s->request = q;
	q->slot = s;
	return 0;
}

void
https_forget(struct https_request *q)
{
	struct slot *s = q->slot;

	if (s != NULL)
		slot_free(s);
	q->slot = NULL;
}

/* -- set-up
 * ------------------------------------------------------------------------ */

static bool
load_library(struct https *h, const char **ret_why)
{
	const curl_version_info_data *info;

	h->library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	if (h->library == NULL) {
		*ret_why = "libcurl.so.4 cannot be loaded";
		return false;
	}
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *at = dlsym(h->library, symbols[i].name);

		if (at == NULL) {
			*ret_why = "libcurl is too old";
			return false;
		}
		memcpy((char *)&h->curl + symbols[i].at, &at, sizeof(at));
	}
	h->is_global = h->curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
	info = h->curl.version_info(CURLVERSION_NOW);
	if (!h->is_global || info->version_num < 0x075500 ||
	    info->ssl_version == NULL ||
	    strncmp(info->ssl_version, "OpenSSL/", 8) != 0) {
		*ret_why = "libcurl is older than 7.85 or not with OpenSSL";
		return false;
	}
	return true;
}

static bool
load_authorities(struct https *h, struct slice pem)
{
	BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	X509 *one;

	h->store = X509_STORE_new();
	while (bio != NULL && h->store != NULL &&
	    (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_cert(h->store, one) == 1)
			h->n_authorities++;
		X509_free(one);
	}
	ERR_clear_error(); /* the end of the file is one, too */
	BIO_free(bio);
	return h->store != NULL;
}

static bool
start_multi(struct https *h)
{
	const struct curl_api *curl = &h->curl;
	SSL_CTX *warm = SSL_CTX_new(TLS_client_method());

	/* what OpenSSL loads at first use is loaded now */
	SSL_CTX_free(warm);
	h->multi = curl->multi_init();
	return warm != NULL && h->multi != NULL &&
	    curl->multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION,
		on_socket_wish) == CURLM_OK &&
	    curl->multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h) == CURLM_OK &&
	    curl->multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION,
		on_timer_wish) == CURLM_OK &&
	    curl->multi_setopt(h->multi, CURLMOPT_TIMERDATA, h) == CURLM_OK;
}

int
https_new(struct env *env, struct slice authorities, struct https **ret,
    const char **ret_why)
{
	struct https *h = calloc(1, sizeof(*h));
	int r = 0;

	*ret_why = "out of memory";
	if (h == NULL)
		return ERR_ORIGIN(-ENOMEM);
	h->env = env;
	list_init(&h->requests);
	list_init(&h->sockets);
	if (!load_library(h, ret_why))
		r = -ENOENT;
	else if (!load_authorities(h, authorities) || !start_multi(h))
		r = -ENOMEM;
	if (r < 0) {
		https_free(h);
		return ERR_ORIGIN(r);
	}
	*ret_why = "";
	*ret = h;
	return 0;
}

size_t
https_n_authorities(const struct https *h)
{
	return h->n_authorities;
}

void
https_free(struct https *h)
{
	if (h == NULL)
		return;
	while (!list_is_empty(&h->requests))
		slot_free(LIST_ENTRY(h->requests.next, struct slot, link));
	if (h->multi != NULL)
		(void)h->curl.multi_cleanup(h->multi);
	while (!list_is_empty(&h->sockets))
		sock_free(LIST_ENTRY(h->sockets.next, struct sock, link));
	env_timer_stop(h->env, &h->timer);
	X509_STORE_free(h->store);
	if (h->is_global)
		h->curl.global_cleanup();
	/* the library stays mapped: others of its kind may hold on to it */
	free(h);
}
