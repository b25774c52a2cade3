# what each of run, test and bench needs of Debian 12; sourced by them
build_packages="gcc libc6-dev meson ninja-build pkg-config python3 libsodium-dev libssl-dev libsqlite3-dev
 libseccomp-dev libunbound-dev libjansson-dev libidn2-dev libutf8proc-dev libcrypt-dev libcmocka-dev libcurl4-openssl-dev zlib1g-dev"
run_packages="nsd swaks libnet-ssleay-perl libio-socket-ssl-perl"
test_packages="libmilter-dev opendkim rspamd clamav-daemon gsasl curl python3-jwt python3-cryptography python3-dkim strace s-nail git-email libmailtools-perl nsd ldnsutils swaks msmtp isync fetchmail getmail6 neomutt offlineimap3 python3-pytest iproute2 clang
 libnet-ssleay-perl libio-socket-ssl-perl man-db"
fuzz_packages="clang libclang-rt-14-dev"
