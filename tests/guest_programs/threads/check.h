// What every program of this directory uses: calls that must not fail.
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The call's answer is this one.
#define EXPECT(wanted, call)                                                            \
    do {                                                                                \
        long found_ = (long)(call);                                                     \
        if (found_ != (long)(wanted)) {                                                 \
            printf("%s:%d: %s is %ld\n", __FILE__, __LINE__, #call, found_);            \
            exit(9);                                                                    \
        }                                                                               \
    } while (0)

#define OK(call) EXPECT(0, call)

typedef void *(*thread_fn)(void *);

static inline pthread_t start(thread_fn run, void *argument)
{
    pthread_t thread;
    OK(pthread_create(&thread, NULL, run, argument));
    return thread;
}

static inline void *join(pthread_t thread)
{
    void *result;
    OK(pthread_join(thread, &result));
    return result;
}

#endif
