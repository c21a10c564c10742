namespace SafeAmqp.Testing.Tests.OtherClients;

internal static class OtherUris
{
    /// <summary>With the virtual host written out: a lone slash is the empty name to librabbitmq.</summary>
    public static string For(Uri uri) => $"amqp://{uri.UserInfo}@{uri.Host}:{uri.Port}/%2F";
}
