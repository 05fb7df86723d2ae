/* Requests from a file, and the one about a given item (load.h). */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 16

static unsigned char *whole_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    long end;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (end = ftell(file)) < 0)
        fail("cannot read the requests in %s: %s", path, strerror(errno));
    rewind(file);
    unsigned char *octets = allocate((size_t)end + 1, 1);
    *length = fread(octets, 1, (size_t)end, file);
    fclose(file);
    return octets;
}

void requests_load(struct requests *requests, const struct options *options)
{
    size_t length, capacity = 0;
    unsigned char *octets = whole_file(options->requests, &length);
    *requests = (struct requests){
        .skip = options->skip,
        .stride = options->stride,
        .number_at = options->number_at,
        .number_digits = options->number_digits,
    };
    for (size_t at = 0; at < length;) {
        if (length - at < HEAD)
            fail("the requests in %s end within one", options->requests);
        struct request request = {
            .octets = octets + at + HEAD,
            .length = get_number(octets + at, 4),
            .name_at = get_number(octets + at + 4, 4),
            .name_length = get_number(octets + at + 8, 4),
            .right = get_number(octets + at + 12, 4),
        };
        if (request.right == UINT32_MAX)
            request.right = options->right;
        if (request.length > length - at - HEAD ||
            request.name_at + request.name_length > request.length ||
            requests->number_at + requests->number_digits > request.length)
            fail("request %ju in %s is not as long as it says", (uintmax_t)requests->count,
                 options->requests);
        if (requests->count == capacity) {
            capacity = capacity ? 2 * capacity : 1024;
            requests->all = realloc(requests->all, capacity * sizeof request);
            if (requests->all == NULL)
                fail("no memory for %zu requests", capacity);
        }
        requests->all[requests->count++] = request;
        if (request.length > requests->longest)
            requests->longest = request.length;
        at += HEAD + request.length;
    }
    if (requests->count == 0)
        fail("there are no requests in %s", options->requests);
    requests->items = options->items ? options->items : requests->count;
}

uint64_t requests_item(const struct requests *requests, uint64_t n)
{
    return (requests->skip + n % requests->items * requests->stride) % requests->items;
}

uint64_t requests_right(const struct requests *requests, uint64_t item)
{
    return requests->all[item % requests->count].right;
}

static void write_digits(unsigned char *octets, unsigned digits, uint64_t number)
{
    while (digits > 0) {
        octets[--digits] = (unsigned char)('0' + number % 10);
        number /= 10;
    }
}

size_t requests_write(const struct requests *requests, uint64_t item, unsigned char *into)
{
    const struct request *request = &requests->all[item % requests->count];
    memcpy(into, request->octets, request->length);
    write_digits(into + requests->number_at, requests->number_digits, item);
    return request->length;
}

bool requests_named(const struct requests *requests, uint64_t item, const unsigned char *answer,
                    size_t length)
{
    const struct request *request = &requests->all[item % requests->count];
    unsigned char copy[LONGEST_DATAGRAM];
    const unsigned char *name = request->octets + request->name_at;
    if (requests->number_digits > 0 && request->length <= sizeof copy) {
        requests_write(requests, item, copy);
        name = copy + request->name_at;
    }
    /* Mostly the answer has the name where the request had it. */
    if (request->name_at + request->name_length <= length &&
        memcmp(answer + request->name_at, name, request->name_length) == 0)
        return true;
    return memmem(answer, length, name, request->name_length) != NULL;
}
