/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program did to its regions, in the order of visibility, as a stream of events. A trace may
   be longer than memory: it is read event by event. Input is never trusted: whatever is read, the
   reader gives sound events or says what is wrong and where.

   A trace has a text form, which a person can write, and a binary one, which a recorder writes as
   the program runs. Both hold the same events; readers tell them apart by themselves. */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_REGIONS 1024             /* at most, numbered as the trace likes */
#define TRACE_THREADS 65536            /* thread numbers are below this */
#define TRACE_BYTES (16u << 20)        /* of one event, at most; longer copies are cut in parts */
#define TRACE_SIZE (UINT64_C(1) << 48) /* of a region, at most */
#define TRACE_LINE_MAX 512             /* the largest line of a region */

enum trace_kind {
    TRACE_REGION,    /* region is first seen: length, address, line_size, domain, text: its path */
    TRACE_BASE,      /* bytes that were durable before the first store to their lines */
    TRACE_STACK,     /* stack means from here on what text says: frames, innermost first, between
                          "; ", each "function file:line" as far as known */
    TRACE_STORE,     /* stores: bytes */
    TRACE_COPY,      /* mem*, str*, a struct's copy, Write, Fill */
    TRACE_STREAM,    /* past the cache */
    TRACE_DIRECT,    /* movdiri, movdir64b */
    TRACE_ATOMIC,    /* a locked operation that stored */
    TRACE_PWRITE,    /* pwrite(2) and the like */
    TRACE_READ_INTO, /* read(2) and the like into the region */
    TRACE_UNSEEN,    /* found to have been stored by nobody knows whom */
    TRACE_FLUSH,     /* clwb, clflushopt, Flush with NO_DRAIN */
    TRACE_CLFLUSH,
    TRACE_DRAIN,       /* sfence, mfence, DSB, Drain */
    TRACE_BARRIER,     /* DMB, release: orders, does not drain */
    TRACE_MSYNC_BEGIN, /* msync, fsync, fdatasync of a range begins */
    TRACE_MSYNC_END,   /* the one that its thread began last has succeeded */
    TRACE_RELEASE,     /* of the object id */
    TRACE_ACQUIRE,
    TRACE_MARK,  /* mark, id, text */
    TRACE_FOUND, /* a store: found by what memory holds, so that its order is not known: of each
                    line all or nothing */
    TRACE_KINDS
};

/* As the public header numbers them. */
enum trace_mark { TRACE_NOTE, TRACE_BEGIN, TRACE_ACK };
enum trace_domain { TRACE_VOLATILE, TRACE_PAGE_CACHE, TRACE_MEMORY, TRACE_CPU_CACHE };

struct trace_event {
    enum trace_kind kind;
    uint32_t thread;
    uint32_t region;      /* its number in the trace, not an index */
    uint32_t stack;       /* of the event; 0: not known */
    uint64_t offset;      /* in the region */
    uint64_t length;      /* bytes */
    const uint8_t *bytes; /* length of them; of stores and TRACE_BASE */
    uint64_t id;          /* of a mark or an object */
    const char *text;     /* never NULL */
    uint64_t address;     /* TRACE_REGION: where the program had it; 0: not known */
    uint32_t line_size;   /* TRACE_REGION */
    enum trace_domain domain;
    enum trace_mark mark;
    uint64_t
        place; /* of the event in the trace: its line in the text form, else its number, from 1;
                       what is written has none */
};

enum trace_model { TRACE_X86, TRACE_ARM, TRACE_EADR, TRACE_PAGE, TRACE_MODELS };
enum trace_streams { TRACE_STREAMS_UNSAID, TRACE_STREAMS_DRAIN, TRACE_STREAMS_INPLACE };

/* What is said before the first event. */
struct trace_head {
    bool model_said;
    enum trace_model model; /* x86 if nothing is said */
    enum trace_streams streams;
    bool direct64_atomic;
    bool stable_pages;
    bool ordered; /* the events' order is one of several: release and acquire tell */
    char cpu[64]; /* vendor, family, model; empty: not known */
};

const char *trace_kind_name(enum trace_kind kind);
const char *trace_model_name(enum trace_model model);
const char *trace_domain_name(enum trace_domain domain);
const char *trace_mark_name(enum trace_mark mark);
/* false: there is no such model. */
bool trace_model_named(const char *name, enum trace_model *model);

/* Does the event store bytes? */
static inline bool trace_stores(enum trace_kind kind) {
    return (kind >= TRACE_STORE && kind <= TRACE_UNSEEN) || kind == TRACE_FOUND;
}
/* Does the event name a part of a region? */
static inline bool trace_has_range(enum trace_kind kind) {
    return trace_stores(kind) || kind == TRACE_BASE || kind == TRACE_FLUSH ||
           kind == TRACE_CLFLUSH || kind == TRACE_MSYNC_BEGIN;
}
/* Did a thread do it? */
static inline bool trace_has_thread(enum trace_kind kind) {
    return (kind >= TRACE_STORE && kind <= TRACE_ACQUIRE) || kind == TRACE_FOUND;
}

/* Reading. */
struct trace_reader;

/* Reads a stream, which it does not close; its start decides the form. NULL: no memory. */
struct trace_reader *trace_read(FILE *stream);
/* The same for a store log of pmemcheck. */
struct trace_reader *trace_read_pmemcheck(FILE *stream);
void trace_end(struct trace_reader *reader);

/* What is said before the first event; known from the start. */
const struct trace_head *trace_head(const struct trace_reader *reader);

enum trace_result {
    TRACE_EVENT,
    TRACE_END,
    TRACE_WRONG, /* nothing is sound from here on: trace_problem says what and where */
};
/* The next event, valid until the next call. After another result than TRACE_EVENT the result stays
   the same. */
enum trace_result trace_next(struct trace_reader *reader, struct trace_event *event);
const char *trace_problem(const struct trace_reader *reader);
/* Is the problem damage behind events that were sound? A trace ends like that when its recorder was
   killed. An error in the text form is none. */
bool trace_is_damaged(const struct trace_reader *reader);
/* At the end: what whoever goes on with it has to know, or NULL. */
const char *trace_remark(const struct trace_reader *reader);

/* Writing the binary form. Nothing is in the file before trace_flush, or before there is much of
   it; after it a reader finds all that was put, whatever becomes of the writer. */
struct trace_writer;
/* NULL: no memory. The stream is not closed by trace_finish. */
struct trace_writer *trace_write(FILE *stream, const struct trace_head *head);
/* false, with errno: the stream could not be written, or there is no memory; so with all that
   follow. pre: the event is one that a reader would give; longer texts are cut off */
bool trace_put(struct trace_writer *writer, const struct trace_event *event);
bool trace_flush(struct trace_writer *writer);
bool trace_finish(struct trace_writer *writer);

/* Writing the text form. false: the stream could not be written. */
bool trace_text_head(FILE *stream, const struct trace_head *head);
bool trace_text_event(FILE *stream, const struct trace_event *event);

#endif
