/* A load for servers on this machine that costs much less than any of them, and the cheapest server
 * there is: what the four modes of the program share.
 *
 * Rules: a request is octets that somebody else made (bench/native.py); this program knows of a
 * protocol only where its numbers are. Every answer is checked and counted. Times are nanoseconds
 * of the monotonic clock. A mode returns when it is done; what makes it impossible ends the
 * program with one line that says why (fail).
 */
#ifndef WUHAN_LOAD_H
#define WUHAN_LOAD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define BATCH 64              /* datagrams per system call */
#define LONGEST_DATAGRAM 4096 /* octets; longer answers are cut and count as they are then */
#define NS_PER_S 1000000000ULL

/* What the command line says; main.c has the meaning of each and its default. */
struct options {
    const char *address;
    const char *bind;
    unsigned port;
    int core;
    const char *requests;
    uint64_t count, skip, stride, items;
    unsigned number_at, number_digits;
    unsigned id_at, id_octets;
    unsigned code_at, code_octets;
    uint64_t code_mask, right;
    unsigned window, flows;
    double seconds, rate, timeout;
    uint64_t poisson;
    unsigned octets;
};

/* requests.c: what is asked.
 *
 * The file holds requests one behind the other, each after four big-endian u4: its octets, and
 * where in it the name begins that the answer has to repeat, and the octets of that (0: no check),
 * and the right code of its answer over udp and tcp (all ones: that of --right).
 * Request number n is about item (skip + n * stride) % items; an item is a request of the file,
 * with the item's number written into it in decimal if --number-digits says so.
 */
struct request {
    const unsigned char *octets;
    size_t length, name_at, name_length;
    uint64_t right;
};

struct requests {
    struct request *all;
    uint64_t count, items, skip, stride;
    size_t number_at;
    unsigned number_digits;
    size_t longest;
};

void requests_load(struct requests *requests, const struct options *options);
uint64_t requests_item(const struct requests *requests, uint64_t n);
/* The right code of the answer about an item. */
uint64_t requests_right(const struct requests *requests, uint64_t item);
/* Write the request about an item; its octets. There must be room for requests->longest. */
size_t requests_write(const struct requests *requests, uint64_t item, unsigned char *into);
/* Whether an answer repeats the name in the request about an item; true if that has none. */
bool requests_named(const struct requests *requests, uint64_t item, const unsigned char *answer,
                    size_t length);

/* tally.c: what came of it. */
#define CODES 16
#define STEPS 32 /* buckets of the latencies for each power of two: 3 % apart */
#define BUCKETS (64 * STEPS)

struct tally {
    uint64_t sent, right, wrong, lost;
    uint64_t other_names, unknown_ids, late; /* late: left more than a millisecond after due */
    uint64_t codes[CODES], code_counts[CODES], other_codes;
    uint64_t octets, shortest, longest; /* of answers */
    uint64_t started, ended;
    uint64_t latencies[BUCKETS], latency_sum, latency_max;
};

/* Count an answer of this response code (or HTTP status) and so many octets. */
void tally_answer(struct tally *tally, uint64_t code, uint64_t right, bool named, size_t octets,
                  uint64_t latency);
/* One line of JSON. */
void tally_print(const struct tally *tally);

/* main.c */
extern volatile sig_atomic_t told_to_finish; /* SIGTERM: ask no more, wait for answers, tell */
uint64_t clock_ns(void);
void *allocate(size_t count, size_t octets);
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t get_number(const unsigned char *octets, unsigned width);
void put_number(unsigned char *octets, unsigned width, uint64_t number);
/* The response code in a message; all ones if it is too short to have one. */
uint64_t code_in(const struct options *options, const unsigned char *message, size_t length);
/* A socket of this kind, connected to the server; the number tells local addresses apart. */
int connected(const struct options *options, int kind, unsigned number);
void set_nonblocking(int fd);

/* The modes. */
void echo(const struct options *options);
void load_udp(const struct options *options, const struct requests *requests, struct tally *tally);
void load_tcp(const struct options *options, const struct requests *requests, struct tally *tally);
void load_http(const struct options *options, const struct requests *requests, struct tally *tally);

#endif
