#include "greet.h"

#include "greeting.h"

std::string Greet() { return GREETING; }
