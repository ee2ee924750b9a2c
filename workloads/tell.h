/* TELL(call): a call as it is written, with its result or its errno. */
#ifndef TELL_H
#define TELL_H

#include <errno.h>
#include <stdio.h>

static void tell(const char *what, long result)
{
	if (result < 0)
		printf("%s: error %d\n", what, errno);
	else
		printf("%s: %ld\n", what, result);
}

#define TELL(call) (errno = 0, tell(#call, (long)(call)))

#endif
