/* Signs twenty messages with a key on an HA group. Environment: LUNA_MODULE, HSM_TOKEN, HSM_PIN.
 *
 * There is no header here: what is called is looked up by name, as Go's bindings do it. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long CK_ULONG;
typedef struct { CK_ULONG mechanism; void *parameter; CK_ULONG parameter_len; } CK_MECHANISM;
typedef struct { CK_ULONG type; void *value; CK_ULONG value_len; } CK_ATTRIBUTE;
/* CK_TOKEN_INFO begins with the label; the rest is room. */
typedef struct { char label[32]; char rest[512]; } CK_TOKEN_INFO;

enum { CKR_OK = 0, CKU_USER = 1, CKF_RW_SESSION = 2, CKF_SERIAL_SESSION = 4 };
enum { CKA_TOKEN = 0x1, CKA_SIGN = 0x108, CKA_VERIFY = 0x10a, CKA_EC_PARAMS = 0x180 };
enum { CKM_EC_KEY_PAIR_GEN = 0x1040, CKM_ECDSA_SHA256 = 0x1044 };

static void *module;

static void *named(const char *name) {
    void *function = dlsym(module, name);
    if (function == NULL) {
        fprintf(stderr, "%s: %s\n", name, dlerror());
        exit(1);
    }
    return function;
}

/* Calls a function of the module, whose arguments are words and pointers. */
#define CALL(name, ...) ((CK_ULONG (*)())named(#name))(__VA_ARGS__)

static void must(const char *what, CK_ULONG rv) {
    if (rv != CKR_OK) {
        fprintf(stderr, "%s: 0x%lx\n", what, rv);
        exit(1);
    }
}

static CK_ULONG slot_of(const char *label) {
    CK_ULONG slots[64], count = 64;
    must("C_GetSlotList", CALL(C_GetSlotList, (CK_ULONG)1, slots, &count));
    for (CK_ULONG number = 0; number < count; number++) {
        CK_TOKEN_INFO info;
        char padded[33];
        must("C_GetTokenInfo", CALL(C_GetTokenInfo, slots[number], &info));
        snprintf(padded, sizeof padded, "%-32s", label);
        if (memcmp(padded, info.label, 32) == 0) return slots[number];
    }
    fprintf(stderr, "no token is called %s\n", label);
    exit(1);
}

/* Made again where nobody knows what became of the first: the group does not repeat what may have been done. */
static void key_pair(CK_ULONG session, CK_ULONG *public, CK_ULONG *private) {
    unsigned char yes = 1, p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_MECHANISM make = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE of_public[] = {
        {CKA_TOKEN, &yes, 1}, {CKA_VERIFY, &yes, 1}, {CKA_EC_PARAMS, p256, sizeof p256}};
    CK_ATTRIBUTE of_private[] = {{CKA_TOKEN, &yes, 1}, {CKA_SIGN, &yes, 1}};
    CK_ULONG rv = CKR_OK;
    for (int attempt = 1; attempt <= 3; attempt++) {
        rv = CALL(C_GenerateKeyPair, session, &make, of_public, (CK_ULONG)3, of_private,
                  (CK_ULONG)2, public, private);
        if (rv == CKR_OK) return;
        printf("attempt %d to make a key pair: 0x%lx\n", attempt, rv);
    }
    must("C_GenerateKeyPair", rv);
}

int main(void) {
    const char *path = getenv("LUNA_MODULE"), *label = getenv("HSM_TOKEN"), *pin = getenv("HSM_PIN");
    if (path == NULL || label == NULL || pin == NULL) {
        fprintf(stderr, "LUNA_MODULE, HSM_TOKEN and HSM_PIN are wanted\n");
        return 2;
    }
    module = dlopen(path, RTLD_NOW);
    if (module == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    CK_ULONG session, public, private;
    must("C_Initialize", CALL(C_Initialize, NULL));
    must("C_OpenSession", CALL(C_OpenSession, slot_of(label),
                               (CK_ULONG)(CKF_SERIAL_SESSION | CKF_RW_SESSION), NULL, NULL, &session));
    must("C_Login", CALL(C_Login, session, (CK_ULONG)CKU_USER, pin, (CK_ULONG)strlen(pin)));
    key_pair(session, &public, &private);
    CK_MECHANISM sign = {CKM_ECDSA_SHA256, NULL, 0};
    for (int number = 0; number < 20; number++) {
        char message[32];
        unsigned char signature[128];
        usleep(50000); /* Until the next request comes in. */
        CK_ULONG len = (CK_ULONG)snprintf(message, sizeof message, "message %d", number);
        CK_ULONG signature_len = sizeof signature;
        must("C_SignInit", CALL(C_SignInit, session, &sign, private));
        must("C_Sign", CALL(C_Sign, session, message, len, signature, &signature_len));
        must("C_VerifyInit", CALL(C_VerifyInit, session, &sign, public));
        must("C_Verify", CALL(C_Verify, session, message, len, signature, signature_len));
    }
    printf("20 signatures, all verified\n");
    must("C_Finalize", CALL(C_Finalize, NULL));
    return 0;
}
