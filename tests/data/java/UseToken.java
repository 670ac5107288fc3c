import java.nio.charset.StandardCharsets;
import java.security.Key;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.PublicKey;
import java.security.Security;
import java.security.Signature;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.KeyGenerator;
import javax.crypto.Mac;
import javax.crypto.spec.IvParameterSpec;

/** What a Java application does with the keys of a token: signs, verifies outside, encrypts, makes MACs. */
public class UseToken {
    public static void main(String[] words) throws Exception {
        Provider provider = Security.getProvider("SunPKCS11").configure(words[0]);
        Security.addProvider(provider);
        KeyStore store = KeyStore.getInstance("PKCS11", provider);
        store.load(null, words[1].toCharArray());
        byte[] message = "the quick brown fox".getBytes(StandardCharsets.UTF_8);

        for (String[] row : new String[][] {
            {"rsa", "SHA256withRSA"}, {"rsa", "SHA512withRSA"},
            {"ec", "SHA256withECDSA"}, {"ec", "SHA384withECDSA"}}) {
            Signature signer = Signature.getInstance(row[1], provider);
            signer.initSign((PrivateKey) store.getKey(row[0], null));
            signer.update(message);
            byte[] signature = signer.sign();
            // Verified by Java's own provider, from the certificate.
            PublicKey outside = store.getCertificate(row[0]).getPublicKey();
            Signature verifier = Signature.getInstance(row[1]);
            verifier.initVerify(outside);
            verifier.update(message);
            check(verifier.verify(signature), row[1]);
        }

        KeyGenerator generator = KeyGenerator.getInstance("AES", provider);
        generator.init(256);
        Key key = generator.generateKey();
        IvParameterSpec iv = new IvParameterSpec(new byte[16]);
        Cipher cipher = Cipher.getInstance("AES/CBC/PKCS5Padding", provider);
        cipher.init(Cipher.ENCRYPT_MODE, key, iv);
        byte[] sealed = cipher.doFinal(message);
        cipher.init(Cipher.DECRYPT_MODE, key, iv);
        check(Arrays.equals(cipher.doFinal(sealed), message), "AES-CBC");

        Mac mac = Mac.getInstance("HmacSHA256", provider);
        Key macKey = KeyGenerator.getInstance("HmacSHA256").generateKey();
        mac.init(macKey);
        byte[] inside = mac.doFinal(message);
        Mac own = Mac.getInstance("HmacSHA256", "SunJCE");
        own.init(macKey);
        check(Arrays.equals(own.doFinal(message), inside), "HMAC");
        System.out.println("all held");
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException(what + " does not hold");
        }
    }
}
