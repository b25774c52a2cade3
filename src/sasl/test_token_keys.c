/* SPDX-License-Identifier: ISC */
/* Key files as issuers publish them, and those nobody should configure. */
#include "base/test.h"

#include "sasl/token_keys.h"

#define N                                                                      \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-"    \
	"Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_"              \
	"YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"                         \
	"bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"                            \
	"UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_"            \
	"I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb5" \
	"4h4FRWyuXpoQ"
#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ED "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define RSA_KEY "{\"kty\":\"RSA\",\"n\":\"" N "\",\"e\":\"AQAB\"}"
#define EC_KEY                                                                 \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}"
#define ED_KEY "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED "\"}"
#define SET(keys) SLICE("{\"keys\":[" keys "]}")
#define ED_PEM                                                                 \
	"-----BEGIN PUBLIC KEY-----\n"                                         \
	"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"       \
	"-----END PUBLIC KEY-----\n"

static const struct {
	const char *what;
	struct slice text;
	size_t want; /* keys; 0: refused */
} files[] = {
	{ "RSA", SET(RSA_KEY), 1 },
	{ "P-256", SET(EC_KEY), 1 },
	{ "Ed25519", SET(ED_KEY), 1 },
	{ "all three", SET(RSA_KEY "," EC_KEY "," ED_KEY), 3 },
	{ "a key alone", SLICE(EC_KEY), 1 },
	{ "white space in front", SLICE(" \r\n\t" EC_KEY "\n"), 1 },
	{ "members that we do not know",
	    SET("{\"x5t\":\"x\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED
		"\",\"use\":\"sig\",\"kid\":\"1\",\"alg\":\"EdDSA\","
		"\"key_ops\":[\"verify\"]}"),
	    1 },
	{ "others are passed over",
	    SET("{\"kty\":\"oct\",\"k\":\"AAAA\"},{\"kty\":\"new\"},"
		"{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AA\",\"y\":\"AA\"},"
		"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED
		"\"}," EC_KEY),
	    1 },
	{ "only a shared secret", SET("{\"kty\":\"oct\",\"k\":\"AAAA\"}"), 0 },
	{ "for encryption",
	    SET("{\"use\":\"enc\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		"\"" ED "\"}"),
	    0 },
	{ "not to verify",
	    SET("{\"key_ops\":[\"encrypt\"],\"kty\":\"OKP\",\"crv\":"
		"\"Ed25519\",\"x\":\"" ED "\"}"),
	    0 },
	{ "key_ops is no list",
	    SET("{\"key_ops\":\"verify\",\"kty\":\"OKP\",\"crv\":\"Ed25519\","
		"\"x\":\"" ED "\"}"),
	    0 },
	{ "alg of another kind",
	    SET("{\"alg\":\"HS256\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		"\"" ED "\"}"),
	    0 },
	{ "RSA of 1024 bits",
	    SET("{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":"
		"\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHm"
		"fHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_Yp"
		"RPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63ko\"}"),
	    0 },
	{ "RSA, exponent 1",
	    SET("{\"kty\":\"RSA\",\"n\":\"" N "\",\"e\":\"AQ\"}"), 0 },
	{ "RSA, even exponent",
	    SET("{\"kty\":\"RSA\",\"n\":\"" N "\",\"e\":\"AQAA\"}"), 0 },
	{ "RSA, exponent of 9 octets",
	    SET("{\"kty\":\"RSA\",\"n\":\"" N "\",\"e\":\"AQAAAAAAAAAB\"}"),
	    0 },
	{ "RSA without n", SET("{\"kty\":\"RSA\",\"e\":\"AQAB\"}"), 0 },
	{ "a point that is not on the curve",
	    SET("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" X
		"\"}"),
	    0 },
	{ "a coordinate too short",
	    SET("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X
		"\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5Q\"}"),
	    0 },
	{ "padding",
	    SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED "=\"}"), 0 },
	{ "a private key",
	    SET(EC_KEY
		",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"AA\",\"x\":\"" ED
		"\"}"),
	    0 },
	{ "no key", SET(""), 0 },
	{ "keys is no list", SLICE("{\"keys\":{}}"), 0 },
	{ "a key is no object", SET("1"), 0 },
	{ "no keys", SLICE("{}"), 0 },
	{ "a name twice", SLICE("{\"keys\":[],\"keys\":[" EC_KEY "]}"), 0 },
	{ "too deep", SLICE("{\"keys\":[{\"a\":[[[[[[[[]]]]]]]]}]}"), 0 },
	{ "cut off", SLICE("{\"keys\":[" EC_KEY), 0 },
	{ "something behind it", SLICE(EC_KEY "x"), 0 },
	{ "NUL in it", SLICE("{\"keys\":[\0" EC_KEY "]}"), 0 },
	{ "empty", SLICE(""), 0 },
	{ "only white space", SLICE(" \n"), 0 },
	{ "PEM", SLICE(ED_PEM), 1 },
	{ "PEM, two", SLICE("words\n" ED_PEM "more words\n" ED_PEM), 2 },
	{ "PEM, a private key",
	    SLICE("-----BEGIN PRIVATE KEY-----\n"
		  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/"
		  "VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
		  "-----END PRIVATE KEY-----\n"),
	    0 },
	{ "PEM, something else",
	    SLICE("-----BEGIN CRL-----\nMCow\n-----END CRL-----\n"), 0 },
	{ "PEM, no key in it",
	    SLICE("-----BEGIN PUBLIC KEY-----\nMCow\n"
		  "-----END PUBLIC KEY-----\n"),
	    0 },
	{ "PEM, cut off",
	    SLICE(ED_PEM "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2Vw\n"), 0 },
	{ "PEM, wrong end",
	    SLICE("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2Vw\n"
		  "-----END CERTIFICATE-----\n"),
	    0 },
	{ "words", SLICE("see the wiki\n"), 0 },
};

static void
key_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct slice in = test_exact_copy(files[i].text);
		struct sasl_token_keys *k = NULL;
		char why[SASL_KEYS_WHY] = "";
		int r = sasl_token_keys_parse(in, &k, why);

		test_case(files[i].what);
		test_int(r, files[i].want > 0 ? SASL_KEYS_OK : SASL_KEYS_E_BAD);
		test_int(k == NULL ? 0 : k->n, files[i].want);
		test_true((why[0] != '\0') == (files[i].want == 0));
		sasl_token_keys_free(k);
		test_free_copy(in);
	}
}

static void
key_bounds(void **state)
{
	static char text[LIMIT_TOKEN_KEYS + 2];
	struct sasl_token_keys *k = NULL;
	char why[SASL_KEYS_WHY];
	size_t n = 0;

	(void)state;
	n += (size_t)snprintf(text, sizeof(text), "{\"keys\":[%s", ED_KEY);
	for (int i = 1; i < SASL_TOKEN_KEYS_MAX; i++)
		n +=
		    (size_t)snprintf(text + n, sizeof(text) - n, ",%s", ED_KEY);
	memcpy(text + n, "]}", 2);
	test_int(sasl_token_keys_parse(slice_of(text, n + 2), &k, why), 0);
	test_int(k->n, SASL_TOKEN_KEYS_MAX);
	sasl_token_keys_free(k);
	n += (size_t)snprintf(text + n, sizeof(text) - n, ",%s]}", ED_KEY);
	test_int(sasl_token_keys_parse(slice_of(text, n), &k, why),
	    SASL_KEYS_E_BAD);
	memset(text, ' ', sizeof(text));
	memcpy(text, EC_KEY, sizeof(EC_KEY) - 1);
	test_int(sasl_token_keys_parse(slice_of(text, LIMIT_TOKEN_KEYS), &k,
		     why),
	    0);
	sasl_token_keys_free(k);
	test_int(sasl_token_keys_parse(slice_of(text, LIMIT_TOKEN_KEYS + 1), &k,
		     why),
	    SASL_KEYS_E_BAD);
}

TEST_MAIN(cmocka_unit_test(key_files), cmocka_unit_test(key_bounds))
