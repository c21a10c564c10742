using Microsoft.Extensions.Options;

namespace SafeAmqp.Testing.Hosting;

/// <summary>The last word on where each client connects to, with or without a key.</summary>
internal sealed class ConnectToTestBroker(AmqpTestBroker broker) : IPostConfigureOptions<AmqpClientOptions>
{
    public void PostConfigure(string? name, AmqpClientOptions options)
    {
        options.VirtualHost = VirtualHostOf(options);
        options.Uri = broker.Uri.GetLeftPart(UriPartial.Authority);
        options.Hosts = [];
        options.UserName = options.Password = null;
        options.Credentials = null;
        options.AuthMechanism = AmqpAuthMechanism.Plain;
        options.Tls = new AmqpTlsOptions();
        options.RequireTls = false;
        broker.AddVirtualHost(options.VirtualHost);
        broker.SetPermissions(Uri.UnescapeDataString(broker.Uri.UserInfo.Split(':')[0]), options.VirtualHost);
    }

    // The URI's wins over the option, and one that is only a placeholder has none.
    private static string VirtualHostOf(AmqpClientOptions options)
        => Uri.TryCreate(options.Uri, UriKind.Absolute, out Uri? uri) && uri.AbsolutePath.Length > 1
            ? Uri.UnescapeDataString(uri.AbsolutePath[1..])
            : options.VirtualHost;
}
