/* SPDX-License-Identifier: ISC */
/* Bytes as a DNS packet: whatever is accepted keeps the promises of dns.h. */
#include <stdlib.h>
#include <string.h>

#include "policy/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

enum {
	QTYPE = 26 /* low octet of the question's type */
};

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	static const uint16_t types[] = { DNS_A, DNS_CNAME, DNS_SOA, DNS_MX,
		DNS_TXT, DNS_AAAA, DNS_SRV, DNS_TLSA };
	struct dns_answer answer;
	struct arena arena;
	uint16_t preference;
	char host[DNS_NAME_TEXT];

	uint8_t packet[4096];

	if (n > sizeof(packet))
		return 0;
	memcpy(packet, at, n);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		/* the seeds ask for two.example: make it the type we try */
		if (n > QTYPE)
			packet[QTYPE] = (uint8_t)types[i];
		arena_init(&arena, 1024 * 1024);
		if (dns_packet_parse(slice_of(packet, n), SLICE("two.example"),
			types[i], &arena, &answer) == DNS_OK) {
			if (answer.n_records > LIMIT_DNS_RECORDS ||
			    !dns_name_is_valid(answer.canonical))
				if (answer.canonical.len != 0)
					abort();
			for (size_t k = 0; k < answer.n_records; k++) {
				if (answer.records[k].len > DNS_RDATA)
					abort();
				(void)dns_mx_parse(answer.records[k],
				    &preference, host);
			}
		}
		arena_reset(&arena);
	}
	return 0;
}
