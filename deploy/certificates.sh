#!/bin/sh
# Makes the certificates by which Weir's services know each other, with openssl: one authority, and for each service a certificate
# that carries its name. What is there stays; a certificate near its end is renewed for the same key, and services take it over
# without a restart.
#
#   certificates.sh DIRECTORY SERVICE...
#
#   DIRECTORY/authority/   certificate.pem, key.pem: whoever has this key can pass for any service
#   DIRECTORY/SERVICE/     certificate.pem, key.pem, authority.pem: what that service reads, and no other
#
# WEIR_CERTIFICATE_DAYS: how long a certificate lasts (default 365). It is renewed in the last third of that time.
set -eu
umask 077

if [ $# -lt 2 ]; then
  echo "Usage: certificates.sh DIRECTORY SERVICE..." >&2
  exit 2
fi
directory=$1
shift

days=${WEIR_CERTIFICATE_DAYS:-365}
authority_days=3650
authority=$directory/authority

make_key() {
  openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.new"
  mv "$1.new" "$1"
}

lasts_days() {
  openssl x509 -in "$1" -noout -checkend $(($2 * 86400)) > /dev/null
}

make_authority() {
  mkdir -p "$authority"
  [ -s "$authority/key.pem" ] || make_key "$authority/key.pem"
  openssl req -new -x509 -key "$authority/key.pem" -days "$authority_days" -subj "/CN=Weir internal authority" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -out "$authority/certificate.pem.new"
  mv "$authority/certificate.pem.new" "$authority/certificate.pem"
  echo "authority: made, lasts $authority_days days"
}

is_good() {
  [ -s "$1/certificate.pem" ] && [ -s "$1/key.pem" ] && lasts_days "$1/certificate.pem" $((days / 3)) &&
    openssl verify -CAfile "$authority/certificate.pem" "$1/certificate.pem" > /dev/null 2>&1
}

# The key stays when a certificate is renewed: so the two belong together at every moment.
make_certificate() {
  mkdir -p "$directory/$1"
  [ -s "$directory/$1/key.pem" ] || make_key "$directory/$1/key.pem"
  cp "$authority/certificate.pem" "$directory/$1/authority.pem.new"
  mv "$directory/$1/authority.pem.new" "$directory/$1/authority.pem"
  printf '%s\n' "subjectAltName=DNS:$1" "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" \
    "extendedKeyUsage=serverAuth,clientAuth" > "$directory/$1/extensions.new"
  openssl req -new -key "$directory/$1/key.pem" -subj "/CN=$1" |
    openssl x509 -req -CA "$authority/certificate.pem" -CAkey "$authority/key.pem" -set_serial "0x$(openssl rand -hex 16)" \
      -days "$days" -extfile "$directory/$1/extensions.new" -out "$directory/$1/certificate.pem.new"
  mv "$directory/$1/certificate.pem.new" "$directory/$1/certificate.pem"
  rm "$directory/$1/extensions.new"
  echo "$1: made, lasts $days days"
}

[ -s "$authority/certificate.pem" ] || make_authority
if ! lasts_days "$authority/certificate.pem" "$days"; then
  echo "The authority ends before a new certificate would. Delete $authority, run this again, and restart all services at once." >&2
  exit 1
fi
for service in "$@"; do
  if is_good "$directory/$service"; then echo "$service: good"; else make_certificate "$service"; fi
done
