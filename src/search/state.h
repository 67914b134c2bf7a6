/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of a search share. */
#ifndef SEARCH_STATE_H
#define SEARCH_STATE_H

#include "search/groups.h"
#include "search/queue.h"

/* A stretch of a guided point: so many images were tried while these lines were varied. */
struct guided_stretch {
    uint64_t tried;
    size_t count;
    uint32_t *lines; /* by their place in the space */
    bool confirms; /* all images were tried that recovery can tell apart: can it not, the others? */
};

/* What a point that is guided by recovery's reads has come to. */
struct guided {
    uint32_t pass;
    uint64_t point;   /* 0: none */
    struct seen seen; /* its own images */
    struct guided_stretch *stretches;
    size_t count, room;
    struct guided_stretch
        looked;      /* lines that recovery has looked at since the last stretch began */
    bool confirming; /* the stretch does that: a failure means that not all reads were seen */
    bool exact;      /* all that recovery has read of the point is known, line by line */
    size_t known;    /* stretches that an earlier search has left; the last one may go on */
};

struct search {
    FILE *trace;
    struct walk_facts *facts;
    const struct search_options *options;
    struct search_outcome *outcome;
    const volatile int *stop;
    struct sandbox_region regions[SANDBOX_REGIONS];
    struct queue queue;
    struct walk walk;
    struct space space;
    struct seen seen;            /* images of points that were tried whole */
    struct guided guided;        /* of one that is not */
    struct history history;      /* states of the run */
    struct groups ranks, alike;  /* points of a group so far; failures of a look */
    uint64_t key;                /* of the point */
    struct search_counts counts; /* up to the point; the outcome's end where images wait */
    uint16_t *picks;
    size_t picks_room;
    uint32_t pass;
    /* Where it goes on, and has come to; number: so many of its own images are tried there. */
    struct search_place from, at;
    uint64_t images_before; /* by those who have begun the search */
    uint64_t number, own;   /* new images of the point so far; those that are this part's */
    search_tell *tell;
    void *context;
    struct shrinking *shrinking; /* while a failure is shrunk */
};

/* Is a budget used up? */
bool search_is_over(struct search *search);
/* Is the point, or the image of this hash, this part's of the work? */
bool search_is_own(const struct search *search, uint64_t number);
/* Sets the key of the point where the walk is: is it among the first with that key? pre: the space
   is filled */
bool search_is_first(struct search *search, const struct walk *walk);
/* The image in words, as a replay takes them, a fresh text; NULL: no memory. */
char *search_image_words(const struct search *search, uint64_t point, const uint16_t *picks);
/* The search has come to this place, before its first image. */
void search_come_to(struct search *search, struct search_place place);
/* One image more of the point where the walk is. false: as queue_add. */
bool search_add(struct search *search, const struct walk *walk);

/* The point where the walk is has more images than are to be tried. Lines that recovery looks at
   are varied, beginning with those that it looks at in the least and the fullest. false: it ends
   here. */
bool guided_try(struct search *search, const struct walk *walk);
void guided_free(struct guided *guided);
/* Takes in what recovery has looked at in the images that were run last; the queue's. */
void guided_look(void *context);
/* A stretch more, with room for so many lines. NULL: no memory. */
struct guided_stretch *guided_grow(struct guided *guided, size_t lines);

/* Makes the history, where states are judged. false: outcome->problem, or interrupted. */
bool atomic_collect(struct search *search);
/* The verdict about an image of the batch that was run last, its state counted in. */
struct sandbox_verdict search_verdict(struct search *search, const struct queue_image *image,
                                      size_t number);

/* Takes up what options->resume has, if anything. false: outcome->problem. */
bool resume_read(struct search *search);
void resume_write(struct search *search, bool done);
/* Was all of the point tried before? */
bool resume_is_behind(const struct search *search, uint64_t point);

/* A walk that keeps the queue up to date; the visitor's point and after get the search. */
bool search_walk(struct search *search, const struct walk_visitor *visitor);
/* Fills the space with the point where the walk is. */
void search_fill(struct search *search, const struct walk *walk);
/* Room for the picks of the space. false: no memory. */
bool search_make_room(struct search *search);

#endif
