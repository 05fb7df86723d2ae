/* wuhan-load MODE OPTIONS: what the options mean, and the little that all modes need (load.h).
 *
 * MODE is echo (a server), udp, tcp or http. bench/native.py builds and calls this; a person who
 * calls it sees the options below.
 */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

volatile sig_atomic_t told_to_finish;

static void finish(int number)
{
    (void)number;
    told_to_finish = 1;
}

uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

void *allocate(size_t count, size_t octets)
{
    void *memory = calloc(count, octets);
    if (memory == NULL)
        fail("no memory for %zu times %zu octets", count, octets);
    return memory;
}

uint64_t get_number(const unsigned char *octets, unsigned width)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < width; i++)
        number = number << 8 | octets[i];
    return number;
}

void put_number(unsigned char *octets, unsigned width, uint64_t number)
{
    while (width > 0) {
        octets[--width] = (unsigned char)number;
        number >>= 8;
    }
}

uint64_t code_in(const struct options *options, const unsigned char *message, size_t length)
{
    if (length < options->code_at + options->code_octets)
        return UINT64_MAX;
    return get_number(message + options->code_at, options->code_octets) & options->code_mask;
}

static socklen_t parse_address(const char *text, unsigned port, struct sockaddr_storage *into)
{
    struct sockaddr_in *four = (struct sockaddr_in *)into;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)into;
    memset(into, 0, sizeof *into);
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        return sizeof *four;
    }
    if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        return sizeof *six;
    }
    fail("%s is not an address", text);
}

int connected(const struct options *options, int kind, unsigned number)
{
    struct sockaddr_storage server, own;
    socklen_t length = parse_address(options->address, options->port, &server);
    int fd = socket(server.ss_family, kind, 0), on = 1;
    if (fd < 0)
        fail("cannot open a socket: %s", strerror(errno));
    if (options->bind != NULL) {
        socklen_t own_length = parse_address(options->bind, 0, &own);
        if (bind(fd, (struct sockaddr *)&own, own_length) != 0)
            fail("cannot send from %s: %s", options->bind, strerror(errno));
    }
    if (connect(fd, (struct sockaddr *)&server, length) != 0)
        fail("connection %u to %s port %u: %s", number + 1, options->address, options->port,
             strerror(errno));
    if (kind == SOCK_STREAM)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

void set_nonblocking(int fd)
{
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        fail("cannot make a socket non-blocking: %s", strerror(errno));
}

static const char USAGE[] =
    "wuhan-load echo|udp|tcp|http OPTIONS\n"
    "  --address A --port P       the server; of echo: where to listen (127.0.0.1, 0)\n"
    "  --bind A                   send from this address\n"
    "  --core N                   stay on this core\n"
    "  --octets N                 echo: length of every answer (100)\n"
    "  --requests FILE            the requests; load.h has the form\n"
    "  --seconds S --count N      ask so long (2), so much at most (0: no limit)\n"
    "  --skip N --stride N        which are asked: every Nth, from the Nth on (0, 1)\n"
    "  --items N                  go through so many (0: the requests in the file)\n"
    "  --number-at O --number-digits N   write the item's number there, in decimal (no)\n"
    "  --id-at O --id-octets N    where the id is (8, 4)\n"
    "  --code-at O --code-octets N --code-mask X --right N\n"
    "                             the response code, its mask in hexadecimal, the right one\n"
    "  --window N --flows N       requests in flight (udp: in all; tcp: on each), sockets (128, 1)\n"
    "  --rate R                   udp: so many a second, whether or not answered (0: no)\n"
    "  --poisson SEED             udp: the gaps between them are drawn (0: all alike)\n"
    "  --timeout S                until a request counts as lost (1)\n";

enum key {
    ADDRESS, PORT, BIND, CORE, OCTETS, REQUESTS, SECONDS, COUNT, SKIP, STRIDE, ITEMS, NUMBER_AT,
    NUMBER_DIGITS, ID_AT, ID_OCTETS, CODE_AT, CODE_OCTETS, CODE_MASK, RIGHT, WINDOW, FLOWS, RATE,
    TIMEOUT, POISSON
};

static const struct option KEYS[] = {
    {"address", 1, NULL, ADDRESS},     {"port", 1, NULL, PORT},
    {"bind", 1, NULL, BIND},           {"core", 1, NULL, CORE},
    {"octets", 1, NULL, OCTETS},       {"requests", 1, NULL, REQUESTS},
    {"seconds", 1, NULL, SECONDS},     {"count", 1, NULL, COUNT},
    {"skip", 1, NULL, SKIP},           {"stride", 1, NULL, STRIDE},
    {"items", 1, NULL, ITEMS},         {"number-at", 1, NULL, NUMBER_AT},
    {"number-digits", 1, NULL, NUMBER_DIGITS},
    {"id-at", 1, NULL, ID_AT},         {"id-octets", 1, NULL, ID_OCTETS},
    {"code-at", 1, NULL, CODE_AT},     {"code-octets", 1, NULL, CODE_OCTETS},
    {"code-mask", 1, NULL, CODE_MASK}, {"right", 1, NULL, RIGHT},
    {"window", 1, NULL, WINDOW},       {"flows", 1, NULL, FLOWS},
    {"rate", 1, NULL, RATE},           {"timeout", 1, NULL, TIMEOUT},     {"poisson", 1, NULL, POISSON},
    {NULL, 0, NULL, 0},
};

static uint64_t number_of(const char *text, int base)
{
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, base);
    if (errno || end == text || *end || *text == '-')
        fail("%s is not a number", text);
    return number;
}

static double decimal_of(const char *text)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end || !(number >= 0))
        fail("%s is not a number", text);
    return number;
}

static void parse(struct options *options, int count, char **arguments)
{
    int key;
    while ((key = getopt_long(count, arguments, "", KEYS, NULL)) != -1) {
        switch (key) {
        case ADDRESS: options->address = optarg; break;
        case PORT: options->port = (unsigned)number_of(optarg, 10); break;
        case BIND: options->bind = optarg; break;
        case CORE: options->core = (int)number_of(optarg, 10); break;
        case OCTETS: options->octets = (unsigned)number_of(optarg, 10); break;
        case REQUESTS: options->requests = optarg; break;
        case SECONDS: options->seconds = decimal_of(optarg); break;
        case COUNT: options->count = number_of(optarg, 10); break;
        case SKIP: options->skip = number_of(optarg, 10); break;
        case STRIDE: options->stride = number_of(optarg, 10); break;
        case ITEMS: options->items = number_of(optarg, 10); break;
        case NUMBER_AT: options->number_at = (unsigned)number_of(optarg, 10); break;
        case NUMBER_DIGITS: options->number_digits = (unsigned)number_of(optarg, 10); break;
        case ID_AT: options->id_at = (unsigned)number_of(optarg, 10); break;
        case ID_OCTETS: options->id_octets = (unsigned)number_of(optarg, 10); break;
        case CODE_AT: options->code_at = (unsigned)number_of(optarg, 10); break;
        case CODE_OCTETS: options->code_octets = (unsigned)number_of(optarg, 10); break;
        case CODE_MASK: options->code_mask = number_of(optarg, 16); break;
        case RIGHT: options->right = number_of(optarg, 10); break;
        case WINDOW: options->window = (unsigned)number_of(optarg, 10); break;
        case FLOWS: options->flows = (unsigned)number_of(optarg, 10); break;
        case RATE: options->rate = decimal_of(optarg); break;
        case POISSON: options->poisson = number_of(optarg, 10); break;
        case TIMEOUT: options->timeout = decimal_of(optarg); break;
        default: fail("%s", USAGE);
        }
    }
    if (optind != count || options->window == 0 || options->flows == 0 ||
        options->id_octets > 4 || options->code_octets > 8)
        fail("%s", USAGE);
}

/* SIGTERM ends a load as its time does; the echo it just ends. */
int main(int count, char **arguments)
{
    static struct tally tally;
    struct requests requests;
    struct options options = {
        .address = "127.0.0.1", .core = -1, .seconds = 2, .stride = 1, .id_at = 8, .id_octets = 4,
        .code_at = 24, .code_octets = 4, .code_mask = UINT64_MAX, .right = 1, .window = 128,
        .flows = 1, .timeout = 1, .octets = 100,
    };
    if (count < 2)
        fail("%s", USAGE);
    const char *mode = arguments[1];
    parse(&options, count - 1, arguments + 1);
    if (options.core >= 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET((size_t)options.core, &cores);
        if (sched_setaffinity(0, sizeof cores, &cores) != 0)
            fail("cannot stay on core %d: %s", options.core, strerror(errno));
    }
    if (strcmp(mode, "echo") == 0)
        echo(&options);
    if (options.requests == NULL)
        fail("%s", USAGE);
    requests_load(&requests, &options);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = finish}, NULL);
    if (strcmp(mode, "udp") == 0)
        load_udp(&options, &requests, &tally);
    else if (strcmp(mode, "tcp") == 0)
        load_tcp(&options, &requests, &tally);
    else if (strcmp(mode, "http") == 0)
        load_http(&options, &requests, &tally);
    else
        fail("%s", USAGE);
    tally_print(&tally);
    return 0;
}
