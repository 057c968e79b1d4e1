/* The entry point: hands over to the command named on the command line. */
#include <signal.h>

#include "cli/command.h"

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of write(), not the end */
    return cli_run(argc, argv);
}
