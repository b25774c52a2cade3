/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/sign - signs TLS handshakes and nothing else
 *
 * A front that was taken over may ask for signatures as long as it lasts. What
 * it gets must be of no use elsewhere: so only bytes are signed that have the
 * exact shape of a TLS 1.3 server CertificateVerify or a TLS 1.2
 * ServerKeyExchange. No certificate, request, mail or SSH blob has either.
 */
#ifndef ROLES_KEEPER_SIGN_H
#define ROLES_KEEPER_SIGN_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "wire/messages.h"

enum {
	SIGN_SIGNATURE_MAX = 1024
};
enum sign_shape {
	SIGN_SHAPE_NONE,
	SIGN_SHAPE_TLS12,
	SIGN_SHAPE_TLS13
};

/* Pure. */
enum sign_shape sign_shape(struct slice tbs);

/* Appends the signature; false when it is refused or fails. */
bool sign_handshake(OSSL_LIB_CTX *lib, EVP_PKEY *key,
    const struct wire_sign_ask *ask, struct buf *signature);

#endif
