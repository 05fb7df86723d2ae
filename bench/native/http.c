/* HTTP/1.1 over connections that stay open, one request in flight on each.
 *
 * The status is the response code. An answer ends where Content-Length or the last chunk says; one
 * that says neither is lost. A connection that the server closes is opened again.
 */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#define READ_OCTETS 262144
#define EVENTS 64
#define STATUS_AT 9 /* in "HTTP/1.1 200 OK" */

struct connection {
    int fd;
    unsigned number;
    bool asking, waits_to_write;
    uint64_t item, sent;
    unsigned char *out, *in;
    size_t out_start, out_end, in_end, in_octets;
};

struct http {
    const struct options *options;
    const struct requests *requests;
    struct tally *tally;
    int epoll;
    uint64_t number, end;
    unsigned in_flight;
};

/* The value of a header, or NULL; `head` ends with an empty line. */
static const char *header(const char *head, const char *end, const char *name)
{
    size_t length = strlen(name);
    while ((head = memmem(head, (size_t)(end - head), "\r\n", 2)) != NULL) {
        head += 2;
        if ((size_t)(end - head) > length && strncasecmp(head, name, length) == 0)
            return head + length;
    }
    return NULL;
}

/* Where the chunks that begin at `at` end; 0 if the last is not there yet. */
static size_t end_of_chunks(const unsigned char *octets, size_t at, size_t length)
{
    for (;;) {
        const unsigned char *line = octets + at;
        const unsigned char *end = memmem(line, length - at, "\r\n", 2);
        if (end == NULL)
            return 0;
        size_t size = strtoul((const char *)line, NULL, 16);
        at = (size_t)(end - octets) + 2 + size + 2;
        if (size > length || at > length)
            return 0;
        if (size == 0)
            return at; /* trailers are not expected */
    }
}

/* Where the answer at the start of the octets ends; 0 if it is not there yet. */
static size_t end_of_answer(const unsigned char *octets, size_t length, size_t *body)
{
    const char *start = (const char *)octets, *value;
    const char *end = memmem(octets, length, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    *body = (size_t)(end + 4 - start);
    if ((value = header(start, end + 2, "content-length:")) != NULL) {
        size_t whole = *body + strtoul(value, NULL, 10);
        return whole <= length ? whole : 0;
    }
    if (header(start, end + 2, "transfer-encoding:") != NULL)
        return end_of_chunks(octets, *body, length);
    return 0;
}

static void write_out(struct http *http, struct connection *connection)
{
    while (connection->out_start < connection->out_end) {
        ssize_t sent = send(connection->fd, connection->out + connection->out_start,
                            connection->out_end - connection->out_start, MSG_NOSIGNAL);
        if (sent < 0)
            break;
        connection->out_start += (size_t)sent;
    }
    bool wait = connection->out_start < connection->out_end;
    if (wait != connection->waits_to_write) {
        struct epoll_event event = {.events = EPOLLIN | (wait ? EPOLLOUT : 0),
                                    .data.ptr = connection};
        epoll_ctl(http->epoll, EPOLL_CTL_MOD, connection->fd, &event);
        connection->waits_to_write = wait;
    }
}

static void ask(struct http *http, struct connection *connection, uint64_t now)
{
    if (told_to_finish || now >= http->end ||
        (http->options->count && http->number >= http->options->count))
        return;
    connection->item = requests_item(http->requests, http->number++);
    connection->out_end = requests_write(http->requests, connection->item, connection->out);
    connection->out_start = 0;
    connection->sent = now;
    connection->asking = true;
    http->in_flight++;
    http->tally->sent++;
    write_out(http, connection);
}

static void open_connection(struct http *http, struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    connection->fd = connected(http->options, SOCK_STREAM, connection->number);
    set_nonblocking(connection->fd);
    connection->in_end = 0;
    connection->waits_to_write = false;
    if (epoll_ctl(http->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        fail("cannot wait for a connection: %s", strerror(errno));
}

static void take(struct http *http, struct connection *connection, size_t body, size_t end,
                 uint64_t now)
{
    const unsigned char *octets = connection->in;
    uint64_t status = 0;
    if (body > STATUS_AT + 3)
        for (unsigned i = 0; i < 3; i++)
            status = 10 * status + (uint64_t)(octets[STATUS_AT + i] - '0');
    connection->asking = false;
    http->in_flight--;
    bool named = requests_named(http->requests, connection->item, octets + body, end - body);
    tally_answer(http->tally, status, http->options->right, named, end - body,
                 now - connection->sent);
    http->tally->ended = now;
}

static void read_in(struct http *http, struct connection *connection)
{
    size_t body = 0, end;
    if (connection->in_octets - connection->in_end < READ_OCTETS) {
        connection->in_octets = 2 * connection->in_octets + READ_OCTETS;
        connection->in = realloc(connection->in, connection->in_octets);
        if (connection->in == NULL)
            fail("no memory for an answer of %zu octets", connection->in_octets);
    }
    ssize_t more = recv(connection->fd, connection->in + connection->in_end, READ_OCTETS - 1, 0);
    if (more < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    uint64_t now = clock_ns();
    if (more <= 0) {
        close(connection->fd);
        if (connection->asking) {
            connection->asking = false;
            http->in_flight--;
            http->tally->lost++;
        }
        open_connection(http, connection);
        ask(http, connection, now);
        return;
    }
    connection->in_end += (size_t)more;
    connection->in[connection->in_end] = 0; /* numbers are read as text */
    while (connection->asking &&
           (end = end_of_answer(connection->in, connection->in_end, &body)) > 0) {
        take(http, connection, body, end, now);
        connection->in_end -= end;
        memmove(connection->in, connection->in + end, connection->in_end);
        ask(http, connection, now);
    }
}

void load_http(const struct options *options, const struct requests *requests, struct tally *tally)
{
    struct http http = {.options = options, .requests = requests, .tally = tally};
    struct connection *all = allocate(options->flows, sizeof *all);
    uint64_t heard, patience = (uint64_t)(options->timeout * 1e9);
    http.epoll = epoll_create1(0);
    for (unsigned i = 0; i < options->flows; i++) {
        all[i].number = i;
        all[i].out = allocate(requests->longest, 1);
        open_connection(&http, &all[i]);
    }
    tally->started = tally->ended = heard = clock_ns();
    http.end = tally->started + (uint64_t)(options->seconds * 1e9);
    for (unsigned i = 0; i < options->flows; i++)
        ask(&http, &all[i], tally->started);
    while (http.in_flight > 0) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(http.epoll, events, EVENTS, 5);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                write_out(&http, connection);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                read_in(&http, connection);
        }
        uint64_t now = clock_ns();
        if (ready > 0)
            heard = now;
        if (now - heard > patience)
            break;
    }
    tally->lost += http.in_flight;
    for (unsigned i = 0; i < options->flows; i++)
        close(all[i].fd);
}
