using System.ComponentModel;
using LocalBroker.Node;

namespace LocalBroker;

/// <summary>
/// One RabbitMQ node that only this process uses, of the installed version or of one in a folder of its own
/// (<see cref="PrivateRabbitMqNodeOptions.Root"/>): loopback only, free ports, own folder, own epmd. Node, epmd and
/// folder are gone after disposal, and also when this process dies in any way.
/// </summary>
public sealed partial class PrivateRabbitMqNode : IAsyncDisposable
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan SignalTimeout = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(2);

    private readonly PrivateRabbitMqNodeOptions _options;
    private readonly RabbitMqInstallation _installation;
    private readonly NodeFolder _folder;
    private readonly NodeGuard _guard;
    private bool _disposed;

    private PrivateRabbitMqNode(
        PrivateRabbitMqNodeOptions options, RabbitMqInstallation installation, NodeFolder folder)
    {
        _options = options;
        _installation = installation;
        _folder = folder;
        _guard = NodeGuard.Start(installation, folder);
        Uri = new Uri($"amqp://guest:guest@127.0.0.1:{folder.Port}/");
    }

    /// <summary>Whether there is a RabbitMQ to start with default options, on a system with a POSIX shell.</summary>
    /// <exception cref="BrokerUnavailableException">
    /// <see cref="PrivateRabbitMqNodeOptions.RootVariable"/> names a folder without one.
    /// </exception>
    public static bool IsInstalled => RabbitMqInstallation.Find(new PrivateRabbitMqNodeOptions()) is not null;

    /// <summary>Whether RabbitMQ is installed in this <see cref="PrivateRabbitMqNodeOptions.Root"/>.</summary>
    public static bool IsInstalledIn(string root) => RabbitMqInstallation.FindIn(root) is not null;

    /// <summary>Where the node listens, with user and password.</summary>
    public Uri Uri { get; }

    /// <summary>The port of <see cref="Uri"/>; the same for the whole life of this object.</summary>
    public int Port => _folder.Port;

    /// <summary>The Erlang node name, for example <c>rel-4711-1@localhost</c>.</summary>
    public string Name => _folder.Name;

    /// <summary>The version of RabbitMQ, as the node itself tells it.</summary>
    public Version Version { get; private set; } = new();

    /// <summary>
    /// The folder with the node's data, settings and logs (<c>log/</c>); deleted on disposal. The environment variable
    /// SAFEAMQP_NODE_LOGS names a folder where the logs are kept, for looking into a failure.
    /// </summary>
    public string Folder => _folder.Root;

    /// <summary>Starts a node and waits until it answers the AMQP handshake; about 5 seconds.</summary>
    /// <exception cref="BrokerUnavailableException">RabbitMQ is not installed.</exception>
    /// <exception cref="PrivateRabbitMqNodeException">The node did not start; carries the end of its logs.</exception>
    public static Task<PrivateRabbitMqNode> StartAsync(
        PrivateRabbitMqNodeOptions? options = null, CancellationToken cancellationToken = default) =>
        StartAsync(options, beside: null, cancellationToken);

    /// <summary>Starts a node that can talk to another, which must outlive it: with the same epmd and cookie.</summary>
    internal static async Task<PrivateRabbitMqNode> StartAsync(
        PrivateRabbitMqNodeOptions? options, PrivateRabbitMqNode? beside, CancellationToken cancellationToken)
    {
        options ??= new PrivateRabbitMqNodeOptions();
        var installation = RabbitMqInstallation.Find(options)
            ?? throw new BrokerUnavailableException(RabbitMqBroker.HowToGetOne);
        var folder = new NodeFolder(options, beside?._folder);
        PrivateRabbitMqNode? node = null;
        try
        {
            folder.Write();
            await ProbeAsync(installation, folder, cancellationToken);
            node = new PrivateRabbitMqNode(options, installation, folder);
            await node.StartAgainAsync(cancellationToken);
            return node;
        }
        catch
        {
            if (node is not null) await node.DisposeAsync(graceful: false);
            else Directory.Delete(folder.Root, recursive: true);
            throw;
        }
    }

    /// <summary>Whether the node's process has ended: killed, stopped, or by itself.</summary>
    public bool HasEnded => _folder.HasEnded;

    /// <summary>
    /// Starts the node after <see cref="KillAsync"/> or <see cref="StopAsync"/>, on the same port and data.
    /// </summary>
    /// <remarks>On a node that runs it only waits for the handshake.</remarks>
    /// <exception cref="PrivateRabbitMqNodeException">The node did not start; carries the end of its logs.</exception>
    public async Task StartAgainAsync(CancellationToken cancellationToken = default)
    {
        await _guard.DoAsync("start", SignalTimeout, cancellationToken);
        await UntilAsync(AnswersAsync, "answer the AMQP handshake", _options.StartTimeout, cancellationToken);
    }

    /// <summary>Ends the node at once with SIGKILL, as a crash or a power cut does.</summary>
    public Task KillAsync(CancellationToken cancellationToken = default) =>
        _guard.DoAsync("kill", SignalTimeout, cancellationToken);

    /// <summary>Shuts the node down in good order (SIGTERM); clients see connection.close with code 320.</summary>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        await _guard.DoAsync("terminate", SignalTimeout, cancellationToken);
        await UntilAsync(_ => Task.FromResult(_folder.HasEnded), "stop", _options.StopTimeout, cancellationToken);
    }

    /// <summary>Freezes the node (SIGSTOP): connections stay open, nothing is answered.</summary>
    public Task PauseAsync(CancellationToken cancellationToken = default) =>
        _guard.DoAsync("pause", SignalTimeout, cancellationToken);

    /// <summary>Continues the node after <see cref="PauseAsync"/>.</summary>
    public Task ResumeAsync(CancellationToken cancellationToken = default) =>
        _guard.DoAsync("resume", SignalTimeout, cancellationToken);

    /// <summary>Shuts the node down, kills it if it does not comply, and deletes everything it left.</summary>
    public ValueTask DisposeAsync() => DisposeAsync(graceful: true);

    private async ValueTask DisposeAsync(bool graceful)
    {
        if (_disposed) return;
        _disposed = true;
        try
        {
            if (!graceful) return;
            // A frozen node would not see the request to stop.
            await ResumeAsync();
            await StopAsync();
        }
        catch (PrivateRabbitMqNodeException)
        {
            // Too slow or gone: the guard kills what is left.
        }
        finally
        {
            await _guard.DisposeAsync();
        }
    }

    private async Task<bool> AnswersAsync(CancellationToken cancellationToken)
    {
        if (_folder.HasEnded)
            throw new PrivateRabbitMqNodeException(
                $"The node {Name} ended while it started.{Environment.NewLine}{_folder.LogTail()}");
        var answer = await AmqpHandshake.AskAsync(Uri, logIn: false, HandshakeTimeout, cancellationToken);
        Version = answer.Version ?? Version;
        return answer.Failure is null;
    }

    /// <summary>Tells a system that runs no program of the installation from a node that does not start.</summary>
    private static async Task ProbeAsync(
        RabbitMqInstallation installation, NodeFolder folder, CancellationToken cancellationToken)
    {
        if (installation.Root == RabbitMqInstallation.Machine) return;
        try
        {
            await installation.Command(folder, "/bin/true").RunAsync(SignalTimeout, cancellationToken);
        }
        catch (Exception e) when (e is PrivateRabbitMqNodeException or Win32Exception)
        {
            throw new BrokerUnavailableException(
                $"RabbitMQ in {installation.Root} cannot run here, as it needs root or user namespaces, "
                + $"for mounts of its own: {e.Message}",
                PrivateRabbitMqNodeOptions.RootVariable, e);
        }
    }

    private async Task UntilAsync(
        Func<CancellationToken, Task<bool>> condition, string goal, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        try
        {
            while (!await condition(limit.Token)) await Task.Delay(PollInterval, limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PrivateRabbitMqNodeException(
                $"The node {Name} did not {goal} within "
                    + $"{timeout.TotalSeconds:0.#} s.{Environment.NewLine}{_folder.LogTail()}");
        }
    }
}
