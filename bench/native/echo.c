/* The cheapest server: every datagram comes back, cut or padded to a fixed number of octets.
 *
 * Two system calls for up to BATCH datagrams, and no work between them: what the kernel's sockets
 * cost, and so the bound for every server that answers over UDP.
 */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* Prints "port N" when the socket is open, and serves until it is killed. */
void echo(const struct options *options)
{
    static unsigned char buffers[BATCH][LONGEST_DATAGRAM];
    struct sockaddr_in peers[BATCH], own = {.sin_family = AF_INET};
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH] = {0};
    socklen_t own_length = sizeof own;
    if (options->octets > LONGEST_DATAGRAM)
        fail("an answer of %u octets is too long, at most %d", options->octets, LONGEST_DATAGRAM);
    if (inet_pton(AF_INET, options->address, &own.sin_addr) != 1)
        fail("%s is not an IPv4 address", options->address);
    own.sin_port = htons((uint16_t)options->port);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0 ||
        getsockname(fd, (struct sockaddr *)&own, &own_length) != 0)
        fail("cannot open UDP port %u: %s", options->port, strerror(errno));
    printf("port %u\n", ntohs(own.sin_port));
    fflush(stdout);
    for (unsigned i = 0; i < BATCH; i++) {
        vectors[i].iov_base = buffers[i];
        messages[i].msg_hdr.msg_name = &peers[i];
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (;;) {
        for (unsigned i = 0; i < BATCH; i++) {
            vectors[i].iov_len = LONGEST_DATAGRAM;
            messages[i].msg_hdr.msg_namelen = sizeof peers[i];
        }
        int received = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < received; i++)
            vectors[i].iov_len = options->octets;
        for (int sent = 0; sent < received;) {
            int more = sendmmsg(fd, messages + sent, (unsigned)(received - sent), 0);
            sent += more > 0 ? more : 1; /* a client that has gone misses its answer */
        }
    }
}
