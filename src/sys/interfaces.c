/* SPDX-License-Identifier: ISC */
#include "sys/interfaces.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static bool
take_address(const struct sockaddr *sa, struct env_addr *ret)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	*ret = (struct env_addr){ 0 };
	if (sa != NULL && sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		ret->family = 4;
		memcpy(ret->bytes, &in.sin_addr, 4);
		return true;
	}
	if (sa != NULL && sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		ret->family = 6;
		memcpy(ret->bytes, &in6.sin6_addr, 16);
		return true;
	}
	return false;
}

size_t
interfaces_list(struct env_addr *ret, size_t max)
{
	struct ifaddrs *all;
	size_t n = 0;

	if (getifaddrs(&all) != 0)
		return 0;
	for (struct ifaddrs *i = all; i != NULL && n < max; i = i->ifa_next)
		n += take_address(i->ifa_addr, &ret[n]);
	freeifaddrs(all);
	return n;
}
