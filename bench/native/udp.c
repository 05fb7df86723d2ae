/* Requests and answers in datagrams: a window of requests in flight, or so many a second.
 *
 * A request's id is the number of its slot, with a count above it that differs each time the slot
 * is used; so an answer finds its request at once, and one that comes too late finds none. Several
 * flows are several sockets, of which each has an equal part of the slots: to a server with several
 * processes they are several clients.
 */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>

#define WAIT_NS 5000000ULL /* longest wait in the kernel */
#define LATE_NS 1000000ULL
#define ROOM (4 << 20) /* octets of answers that wait for us */

struct slot {
    uint64_t item, due;
    uint32_t id;
    bool busy;
};

struct flow {
    int fd;
    unsigned *spare; /* slots without a request */
    unsigned spares;
};

struct udp {
    const struct options *options;
    const struct requests *requests;
    struct tally *tally;
    struct slot *slots;
    struct flow *flows;
    struct pollfd *polled;
    unsigned slot_bits;
    uint32_t id_mask;
    unsigned in_flight;
    uint64_t draws; /* state of the random numbers */
    double drawn;   /* ns from the start until the next request is due, if gaps are drawn */
    unsigned char *buffers; /* BATCH requests under way to the kernel */
};

static void open_flows(struct udp *udp)
{
    const struct options *options = udp->options;
    struct timeval patience = {.tv_usec = WAIT_NS / 1000};
    int room = ROOM;
    udp->flows = allocate(options->flows, sizeof *udp->flows);
    udp->polled = allocate(options->flows, sizeof *udp->polled);
    for (unsigned i = 0; i < options->flows; i++) {
        struct flow *flow = &udp->flows[i];
        flow->fd = connected(options, SOCK_DGRAM, i);
        if (setsockopt(flow->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
            fail("no time limit for a socket: %s", strerror(errno));
        /* As much as the system allows, so that what is lost was lost on the server's side. */
        setsockopt(flow->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        flow->spare = allocate(options->window, sizeof *flow->spare);
        udp->polled[i] = (struct pollfd){.fd = flow->fd, .events = POLLIN};
    }
    for (unsigned i = options->window; i-- > 0;) {
        struct flow *flow = &udp->flows[i % options->flows];
        flow->spare[flow->spares++] = i;
    }
}

/* When request ``number``, the next one, is due in an open loop. */
static uint64_t next_due(const struct udp *udp, uint64_t number)
{
    double ns = udp->options->poisson ? udp->drawn : (double)number / udp->options->rate * 1e9;
    return udp->tally->started + (uint64_t)ns;
}

/* Draw the gap to the request after it: exponential (xorshift64* makes the uniform number). */
static void draw_gap(struct udp *udp)
{
    uint64_t x = udp->draws;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    udp->draws = x;
    double uniform = ((double)((x * 0x2545F4914F6CDD1DULL) >> 11) + 0.5) / 9007199254740992.0;
    udp->drawn -= log(uniform) / udp->options->rate * 1e9;
}

/* Send the next requests, at most so many and as many as the flow has slots for; how many. */
static unsigned send_some(struct udp *udp, struct flow *flow, uint64_t number, uint64_t most,
                          uint64_t now)
{
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH];
    unsigned count = 0;
    for (; count < BATCH && count < most && flow->spares > 0; count++) {
        uint64_t due = now;
        if (udp->options->rate > 0) {
            due = next_due(udp, number + count);
            if (due > now)
                break;
            udp->tally->late += now > due + LATE_NS;
            draw_gap(udp);
        }
        unsigned index = flow->spare[--flow->spares];
        struct slot *slot = &udp->slots[index];
        unsigned char *octets = udp->buffers + count * udp->requests->longest;
        slot->id = ((((slot->id >> udp->slot_bits) + 1) << udp->slot_bits) | index) & udp->id_mask;
        slot->item = requests_item(udp->requests, number + count);
        slot->due = due;
        slot->busy = true;
        vectors[count].iov_base = octets;
        vectors[count].iov_len = requests_write(udp->requests, slot->item, octets);
        put_number(octets + udp->options->id_at, udp->options->id_octets, slot->id);
        messages[count].msg_hdr = (struct msghdr){.msg_iov = &vectors[count], .msg_iovlen = 1};
    }
    for (unsigned done = 0; done < count;) {
        int more = sendmmsg(flow->fd, messages + done, count - done, 0);
        done += more > 0 ? (unsigned)more : 1; /* what the kernel refuses gets no answer: lost */
    }
    udp->in_flight += count;
    udp->tally->sent += count;
    return count;
}

static void take(struct udp *udp, struct flow *flow, const unsigned char *answer, size_t length,
                 uint64_t now)
{
    const struct options *options = udp->options;
    uint32_t id = 0;
    unsigned index = options->window;
    if (length >= options->id_at + options->id_octets) {
        id = (uint32_t)get_number(answer + options->id_at, options->id_octets);
        index = id & ((1U << udp->slot_bits) - 1);
    }
    if (index >= options->window || !udp->slots[index].busy || udp->slots[index].id != id) {
        udp->tally->unknown_ids++;
        return;
    }
    struct slot *slot = &udp->slots[index];
    slot->busy = false;
    flow->spare[flow->spares++] = index;
    udp->in_flight--;
    tally_answer(udp->tally, code_in(options, answer, length),
                 requests_right(udp->requests, slot->item),
                 requests_named(udp->requests, slot->item, answer, length), length,
                 now > slot->due ? now - slot->due : 0);
    udp->tally->ended = now;
}

static void receive(struct udp *udp, struct flow *flow, int flags)
{
    static unsigned char buffers[BATCH][LONGEST_DATAGRAM];
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){.iov_base = buffers[i], .iov_len = LONGEST_DATAGRAM};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    int received = recvmmsg(flow->fd, messages, BATCH, flags, NULL);
    uint64_t now = clock_ns();
    for (int i = 0; i < received; i++)
        take(udp, flow, buffers[i], messages[i].msg_len, now);
}

/* Give up what has waited too long. */
static void sweep(struct udp *udp, uint64_t now)
{
    uint64_t patience = (uint64_t)(udp->options->timeout * 1e9);
    for (unsigned i = 0; i < udp->options->window; i++) {
        struct slot *slot = &udp->slots[i];
        if (slot->busy && now > slot->due + patience) {
            struct flow *flow = &udp->flows[i % udp->options->flows];
            slot->busy = false;
            flow->spare[flow->spares++] = i;
            udp->in_flight--;
            udp->tally->lost++;
        }
    }
}

static void wait_and_receive(struct udp *udp, uint64_t until)
{
    unsigned flows = udp->options->flows;
    uint64_t now = clock_ns(), wait = until > now ? until - now : 0;
    if (flows == 1 && wait >= WAIT_NS) {
        receive(udp, &udp->flows[0], MSG_WAITFORONE);
        return;
    }
    struct timespec timeout = {.tv_nsec = (long)(wait < WAIT_NS ? wait : WAIT_NS)};
    if (ppoll(udp->polled, flows, &timeout, NULL) <= 0)
        return;
    for (unsigned i = 0; i < flows; i++)
        if (udp->polled[i].revents)
            receive(udp, &udp->flows[i], MSG_DONTWAIT);
}

void load_udp(const struct options *options, const struct requests *requests, struct tally *tally)
{
    struct udp udp = {.options = options, .requests = requests, .tally = tally};
    while (1U << udp.slot_bits < options->window)
        udp.slot_bits++;
    if (udp.slot_bits + 2 > 8 * options->id_octets)
        fail("a window of %u is too large for ids of %u octets", options->window,
             options->id_octets);
    udp.id_mask = options->id_octets >= 4 ? UINT32_MAX : (1U << (8 * options->id_octets)) - 1;
    udp.slots = allocate(options->window, sizeof *udp.slots);
    udp.buffers = allocate(BATCH, requests->longest);
    open_flows(&udp);
    prctl(PR_SET_TIMERSLACK, 1000); /* a microsecond: an open loop sends when it is time */

    udp.draws = options->poisson;
    if (options->poisson && options->rate > 0)
        draw_gap(&udp);
    uint64_t number = 0, end, swept, now = clock_ns();
    unsigned turn = 0;
    tally->started = tally->ended = swept = now;
    end = now + (uint64_t)(options->seconds * 1e9);
    for (;;) {
        uint64_t next = UINT64_MAX;
        bool sending = !told_to_finish && now < end &&
                       (options->count == 0 || number < options->count);
        if (sending) {
            uint64_t last = options->count ? options->count : UINT64_MAX;
            for (unsigned i = 0; i < options->flows && number < last; i++) {
                if (options->rate > 0 && next_due(&udp, number) > now)
                    break;
                struct flow *flow = &udp.flows[turn++ % options->flows];
                unsigned sent = 1;
                while (sent > 0 && number < last && flow->spares > 0) {
                    sent = send_some(&udp, flow, number, last - number, now);
                    number += sent;
                }
            }
            if (options->rate > 0)
                next = next_due(&udp, number);
        } else if (udp.in_flight == 0) {
            break;
        }
        /* Without a slot nothing can be sent, however long it is due; what is lost shows it. */
        wait_and_receive(&udp, udp.in_flight == options->window ? UINT64_MAX : next);
        now = clock_ns();
        if (now - swept > WAIT_NS) {
            sweep(&udp, now);
            swept = now;
        }
    }
}
