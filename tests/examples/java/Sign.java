import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.Provider;
import java.security.ProviderException;
import java.security.Security;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;

/** Signs twenty messages with a key on an HA group. Environment: LUNA_MODULE, HSM_PIN; the group is the first slot. */
public final class Sign {
    /** Java leaves the usages of keys to the token, and a Luna's defaults are none. */
    private static final String CONFIGURATION =
            """
            name = Luna
            library = %s
            slotListIndex = 0
            attributes(generate, CKO_PRIVATE_KEY, *) = {
              CKA_TOKEN = true
              CKA_SIGN = true
            }
            attributes(generate, CKO_PUBLIC_KEY, *) = {
              CKA_TOKEN = true
              CKA_VERIFY = true
            }
            """;

    public static void main(String[] words) throws Exception {
        Path file = Files.createTempFile("luna", ".cfg");
        Files.writeString(file, CONFIGURATION.formatted(System.getenv("LUNA_MODULE")));
        Provider luna = Security.getProvider("SunPKCS11").configure(file.toString());
        Files.delete(file);
        KeyStore.getInstance("PKCS11", luna).load(null, System.getenv("HSM_PIN").toCharArray());
        KeyPair pair = keyPair(luna);
        for (int number = 0; number < 20; number++) {
            Thread.sleep(50); // Until the next request comes in.
            byte[] message = ("message " + number).getBytes(StandardCharsets.UTF_8);
            byte[] signature = sign(luna, pair, message);
            Signature verifier = Signature.getInstance("SHA256withECDSA", luna);
            verifier.initVerify(pair.getPublic());
            verifier.update(message);
            if (!verifier.verify(signature)) {
                throw new IllegalStateException("signature " + number + " is none");
            }
        }
        System.out.println("20 signatures, all verified");
    }

    /** Java signs in parts. Those that a member had are gone with it: the group repeats whole messages only. */
    private static byte[] sign(Provider luna, KeyPair pair, byte[] message) throws Exception {
        ProviderException last = null;
        for (int attempt = 1; attempt <= 3; attempt++) {
            try {
                Signature signer = Signature.getInstance("SHA256withECDSA", luna);
                signer.initSign(pair.getPrivate());
                signer.update(message);
                return signer.sign();
            } catch (ProviderException error) {
                System.out.println("attempt " + attempt + " to sign: " + error.getCause());
                last = error;
            }
        }
        throw last;
    }

    /** Made again where nobody knows what became of the first: the group does not repeat what may have been done. */
    private static KeyPair keyPair(Provider luna) throws Exception {
        ProviderException last = null;
        for (int attempt = 1; attempt <= 3; attempt++) {
            try {
                KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", luna);
                generator.initialize(new ECGenParameterSpec("secp256r1"));
                return generator.generateKeyPair();
            } catch (ProviderException error) {
                System.out.println("attempt " + attempt + " to make a key pair: " + error.getCause());
                last = error;
            }
        }
        throw last;
    }
}
