/* args: taktd's command line. One table of flags drives parsing and --help. */
#pragma once

#include "tools/taktd/config.h"

enum args_action {
    ARGS_RUN,
    ARGS_CHECK,       /* --check-config */
    ARGS_PRINT,       /* --print-config */
    ARGS_HELP,        /* --help */
    ARGS_HELP_CONFIG, /* --help-config */
    ARGS_VERSION,     /* --version */
    ARGS_DEVICE,      /* --show-device; the configuration is not checked as a whole */
};

/* args_parse puts together defaults, --dev, the file, --set and the flags, in this order, whatever
 * their order on the command line, and then checks the whole (config_check) when the action needs
 * a configuration. Returns 0, or ERR_CONFIG or ERR_UNSUPPORTED with a sentence for the user. */
MUST_USE int args_parse(int argc, char **argv, enum args_action *action, struct config *config,
                        struct fault *fault);

/* args_help writes the text of --help. */
void args_help(FILE *to);
