using Microsoft.Extensions.Options;

namespace SafeAmqp.Testing.Hosting;

/// <summary>The last word on where each client connects to, with or without a key.</summary>
internal sealed class ConnectToTestBroker(AmqpTestBroker broker) : IPostConfigureOptions<AmqpClientOptions>
{
    /// <summary>Parameters of a URI that are about TLS and the account, like the options that are replaced.</summary>
    private static readonly string[] Replaced =
        ["auth_mechanism", "cacertfile", "certfile", "keyfile", "server_name_indication", "verify"];

    public void PostConfigure(string? name, AmqpClientOptions options)
    {
        // One that is only a placeholder has neither a virtual host nor parameters.
        _ = Uri.TryCreate(options.Uri, UriKind.Absolute, out Uri? configured);
        // The URI's wins over the option.
        if (configured is { AbsolutePath.Length: > 1 })
            options.VirtualHost = Uri.UnescapeDataString(configured.AbsolutePath[1..]);
        options.Uri = broker.Uri.GetLeftPart(UriPartial.Authority) + QueryOf(configured);
        options.Hosts = [];
        options.UserName = options.Password = null;
        options.Credentials = null;
        options.AuthMechanism = AmqpAuthMechanism.Plain;
        options.Tls = new AmqpTlsOptions();
        options.RequireTls = false;
        LetIn(Uri.UnescapeDataString(broker.Uri.UserInfo.Split(':')[0]), options.VirtualHost);
    }

    private static string QueryOf(Uri? configured)
    {
        string[] kept = [.. (configured?.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries) ?? [])
            .Where(parameter => !Replaced.Contains(parameter.Split('=')[0]))];
        return kept is [] ? "" : "?" + string.Join('&', kept);
    }

    /// <summary>Rights that the test has set stay as they are.</summary>
    private void LetIn(string user, string virtualHost)
    {
        broker.AddVirtualHost(virtualHost);
        // Nothing here is slow: the broker looks once.
        if (!broker.LookAsync(view => view.MayEnter(user, virtualHost)).GetAwaiter().GetResult())
            broker.SetPermissions(user, virtualHost);
    }
}
