/* Pipelined requests over connections: a window of requests in flight on each.
 *
 * Messages are the Handle protocol's: 20 octets of envelope, of which those at 16 say how many
 * follow. Answers have to come in the order of their requests; one that does not is wrong, and all
 * behind it on that connection with it.
 */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ENVELOPE 20
#define LENGTH_AT 16
#define LONGEST_MESSAGE 262144
#define READ_OCTETS (2 * LONGEST_MESSAGE)
#define EVENTS 64

struct pending {
    uint64_t item, sent;
};

struct connection {
    int fd;
    uint32_t next, oldest; /* ids: of the next request, and of the oldest without an answer */
    struct pending *pending; /* by id modulo the window */
    unsigned char *out, *in;
    size_t out_start, out_end, in_end;
    bool waits_to_write, closed;
};

struct tcp {
    const struct options *options;
    const struct requests *requests;
    struct tally *tally;
    int epoll;
    uint64_t number, end;
    size_t out_octets;
};

static void write_out(struct tcp *tcp, struct connection *connection)
{
    while (connection->out_start < connection->out_end) {
        ssize_t sent = send(connection->fd, connection->out + connection->out_start,
                            connection->out_end - connection->out_start, MSG_NOSIGNAL);
        if (sent < 0)
            break; /* full: epoll tells when not; broken: the next read tells */
        connection->out_start += (size_t)sent;
    }
    bool wait = connection->out_start < connection->out_end;
    if (wait != connection->waits_to_write) {
        struct epoll_event event = {.events = EPOLLIN | (wait ? EPOLLOUT : 0),
                                    .data.ptr = connection};
        epoll_ctl(tcp->epoll, EPOLL_CTL_MOD, connection->fd, &event);
        connection->waits_to_write = wait;
    }
}

/* Ask until the window is full or all is asked. */
static void ask(struct tcp *tcp, struct connection *connection, uint64_t now)
{
    const struct options *options = tcp->options;
    if (connection->closed)
        return;
    if (connection->out_start > 0) {
        connection->out_end -= connection->out_start;
        memmove(connection->out, connection->out + connection->out_start, connection->out_end);
        connection->out_start = 0;
    }
    while (connection->next - connection->oldest < options->window && now < tcp->end && !told_to_finish &&
           (options->count == 0 || tcp->number < options->count) &&
           tcp->out_octets - connection->out_end >= tcp->requests->longest) {
        unsigned char *octets = connection->out + connection->out_end;
        struct pending *pending = &connection->pending[connection->next % options->window];
        *pending = (struct pending){requests_item(tcp->requests, tcp->number++), now};
        connection->out_end += requests_write(tcp->requests, pending->item, octets);
        put_number(octets + options->id_at, options->id_octets, connection->next++);
        tcp->tally->sent++;
    }
    write_out(tcp, connection);
}

static void take(struct tcp *tcp, struct connection *connection, const unsigned char *message,
                 size_t length, uint64_t now)
{
    const struct options *options = tcp->options;
    uint64_t id = get_number(message + options->id_at, options->id_octets);
    if (connection->oldest == connection->next || id != connection->oldest) {
        tcp->tally->unknown_ids++;
        return;
    }
    const struct pending *pending = &connection->pending[connection->oldest++ % options->window];
    tally_answer(tcp->tally, code_in(options, message, length),
                 requests_right(tcp->requests, pending->item),
                 requests_named(tcp->requests, pending->item, message, length), length,
                 now - pending->sent);
    tcp->tally->ended = now;
}

/* Read what is there and take the messages that it completes. */
static void read_in(struct tcp *tcp, struct connection *connection)
{
    ssize_t more = recv(connection->fd, connection->in + connection->in_end,
                        READ_OCTETS - connection->in_end, 0);
    if (more < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (more <= 0) {
        connection->closed = true;
        epoll_ctl(tcp->epoll, EPOLL_CTL_DEL, connection->fd, NULL);
        return;
    }
    connection->in_end += (size_t)more;
    uint64_t now = clock_ns();
    size_t at = 0;
    while (connection->in_end - at >= ENVELOPE) {
        size_t length = ENVELOPE + get_number(connection->in + at + LENGTH_AT, 4);
        if (length > ENVELOPE + LONGEST_MESSAGE)
            fail("the server says that a message has %zu octets", length);
        if (length > connection->in_end - at)
            break;
        take(tcp, connection, connection->in + at, length, now);
        at += length;
    }
    connection->in_end -= at;
    memmove(connection->in, connection->in + at, connection->in_end);
    ask(tcp, connection, now);
}

static struct connection *open_connections(struct tcp *tcp)
{
    const struct options *options = tcp->options;
    struct connection *all = allocate(options->flows, sizeof *all);
    for (unsigned i = 0; i < options->flows; i++) {
        struct connection *connection = &all[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        connection->fd = connected(options, SOCK_STREAM, i);
        set_nonblocking(connection->fd);
        connection->pending = allocate(options->window, sizeof *connection->pending);
        connection->out = allocate(tcp->out_octets, 1);
        connection->in = allocate(READ_OCTETS, 1);
        connection->next = connection->oldest = 1;
        if (epoll_ctl(tcp->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
            fail("cannot wait for a connection: %s", strerror(errno));
    }
    return all;
}

void load_tcp(const struct options *options, const struct requests *requests, struct tally *tally)
{
    struct tcp tcp = {.options = options, .requests = requests, .tally = tally};
    uint64_t heard, patience = (uint64_t)(options->timeout * 1e9);
    if (options->id_octets != 4)
        fail("over TCP ids have 4 octets");
    tcp.out_octets = options->window * requests->longest;
    tcp.epoll = epoll_create1(0);
    struct connection *all = open_connections(&tcp);
    tally->started = tally->ended = heard = clock_ns();
    tcp.end = tally->started + (uint64_t)(options->seconds * 1e9);
    for (unsigned i = 0; i < options->flows; i++)
        ask(&tcp, &all[i], tally->started);
    for (;;) {
        struct epoll_event events[EVENTS];
        unsigned open = 0, waiting = 0;
        int ready = epoll_wait(tcp.epoll, events, EVENTS, 5);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                write_out(&tcp, connection);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                read_in(&tcp, connection);
        }
        uint64_t now = clock_ns();
        if (ready > 0)
            heard = now;
        bool asking = !told_to_finish && now < tcp.end &&
                      (options->count == 0 || tcp.number < options->count);
        for (unsigned i = 0; i < options->flows; i++) {
            open += !all[i].closed;
            waiting += all[i].closed ? 0 : all[i].next - all[i].oldest;
        }
        if (open == 0 || (waiting == 0 && !asking) || now - heard > patience)
            break;
    }
    for (unsigned i = 0; i < options->flows; i++) {
        tally->lost += all[i].next - all[i].oldest;
        close(all[i].fd);
    }
}
