#ifndef CANARY_GREET_H_
#define CANARY_GREET_H_

#include <string>

std::string Greet();

#endif  // CANARY_GREET_H_
