/* For api/ only: the objects of the reads as ?filter= sees them. */
#ifndef API_FILTER_TYPES_H_
#define API_FILTER_TYPES_H_

#include "api/filter.h"

struct filter_node {
    struct reg_node node;
    struct slice datacenter;
};

struct filter_service_node {
    struct reg_node node;
    struct reg_service service;
    struct slice datacenter;
};

struct filter_health {
    struct filter_node node;
    struct reg_service service;
    struct decode_array checks; /* of struct reg_check */
};

extern const struct filter_type filter_type_node;         /* struct filter_node */
extern const struct filter_type filter_type_service_node; /* struct filter_service_node */
extern const struct filter_type filter_type_service;      /* struct reg_service */
extern const struct filter_type filter_type_check;        /* struct reg_check */
extern const struct filter_type filter_type_health;       /* struct filter_health */

#endif
