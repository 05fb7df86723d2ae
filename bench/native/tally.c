/* Counts and latencies, and their one line of JSON (load.h). */
#define _GNU_SOURCE
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

static unsigned bucket_of(uint64_t ns)
{
    if (ns < STEPS)
        return (unsigned)ns;
    unsigned shift = 58 - (unsigned)__builtin_clzll(ns); /* leaves the top six bits: 32 to 63 */
    return (shift + 1) * STEPS + (unsigned)(ns >> shift) - STEPS;
}

/* The longest latency that falls into a bucket. */
static uint64_t top_of(unsigned bucket)
{
    if (bucket < STEPS)
        return bucket;
    unsigned shift = bucket / STEPS - 1;
    return (((uint64_t)(bucket % STEPS) + STEPS + 1) << shift) - 1;
}

static void count_code(struct tally *tally, uint64_t code)
{
    for (unsigned i = 0; i < CODES; i++) {
        if (tally->code_counts[i] == 0)
            tally->codes[i] = code;
        if (tally->codes[i] == code) {
            tally->code_counts[i]++;
            return;
        }
    }
    tally->other_codes++;
}

void tally_answer(struct tally *tally, uint64_t code, uint64_t right, bool named, size_t octets,
                  uint64_t latency)
{
    count_code(tally, code);
    if (code != right) {
        tally->wrong++;
        return;
    }
    if (!named) {
        tally->wrong++;
        tally->other_names++;
        return;
    }
    tally->right++;
    tally->octets += octets;
    if (tally->right == 1 || octets < tally->shortest)
        tally->shortest = octets;
    if (octets > tally->longest)
        tally->longest = octets;
    tally->latencies[bucket_of(latency)]++;
    tally->latency_sum += latency;
    if (latency > tally->latency_max)
        tally->latency_max = latency;
}

/* The latency, in microseconds, that so much of the right answers did not exceed. */
static double percentile(const struct tally *tally, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)tally->right), seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += tally->latencies[i];
        if (seen > wanted) {
            uint64_t top = top_of(i);
            return (double)(top < tally->latency_max ? top : tally->latency_max) / 1e3;
        }
    }
    return (double)tally->latency_max / 1e3;
}

void tally_print(const struct tally *tally)
{
    double elapsed = (double)(tally->ended - tally->started) / 1e9;
    double mean = tally->right ? (double)tally->latency_sum / (double)tally->right / 1e3 : 0;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"elapsed\": %.6f, \"rate\": %.1f, \"sent\": %" PRIu64 ", \"right\": %" PRIu64
           ", \"wrong\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"other_names\": %" PRIu64
           ", \"unknown_ids\": %" PRIu64 ", \"late\": %" PRIu64 ", \"codes\": {",
           elapsed, elapsed > 0 ? (double)tally->right / elapsed : 0, tally->sent, tally->right,
           tally->wrong, tally->lost, tally->other_names, tally->unknown_ids, tally->late);
    for (unsigned i = 0; i < CODES && tally->code_counts[i]; i++)
        printf("%s\"%" PRIu64 "\": %" PRIu64, i ? ", " : "", tally->codes[i],
               tally->code_counts[i]);
    if (tally->other_codes)
        printf(", \"other\": %" PRIu64, tally->other_codes);
    printf("}, \"octets\": %" PRIu64 ", \"shortest\": %" PRIu64 ", \"longest\": %" PRIu64
           ", \"latency_us\": {\"mean\": %.1f, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, "
           "\"p999\": %.1f, \"max\": %.1f}, \"client_cpu\": %.6f}\n",
           tally->octets, tally->shortest, tally->longest, mean, percentile(tally, 0.5),
           percentile(tally, 0.9), percentile(tally, 0.99), percentile(tally, 0.999),
           (double)tally->latency_max / 1e3, cpu);
}
