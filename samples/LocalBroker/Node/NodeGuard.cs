using System.Diagnostics;

namespace LocalBroker.Node;

/// <summary>
/// The shell that runs the node (guard.sh). This process holds only a pipe to it; the system closes the pipe however
/// this process ends, and then the guard ends the node.
/// </summary>
internal sealed class NodeGuard : IAsyncDisposable
{
    /// <summary>It deletes the node's folder first, which takes seconds on a machine with other work.</summary>
    private static readonly TimeSpan ExitTimeout = TimeSpan.FromMinutes(1);

    private const string Shell = "/bin/sh";
    private static readonly string Script = RabbitMqInstallation.Resource("guard.sh");

    private readonly Process _process;
    private readonly SemaphoreSlim _turn = new(1, 1);

    private NodeGuard(Process process)
    {
        _process = process;
        AppDomain.CurrentDomain.ProcessExit += WaitForEnd;
    }

    public static NodeGuard Start(RabbitMqInstallation installation, NodeFolder folder)
    {
        string[] arguments =
        [
            "-c", Script, "guard", folder.Root, installation.Server, folder.RunsEpmd ? installation.Epmd : "",
            folder.EpmdPort.ToString(System.Globalization.CultureInfo.InvariantCulture), installation.SetSid ?? "",
            .. installation.Enter(folder),
        ];
        // In a session of its own, a signal to this process's whole group does not take the guard away first.
        var command = installation.SetSid is { } setSid
            ? new Command(folder, [], setSid, [Shell, .. arguments])
            : new Command(folder, [], Shell, arguments);
        return new NodeGuard(command.Start());
    }

    /// <summary>Sends one verb and waits until the guard has done it.</summary>
    public async Task DoAsync(string verb, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        await _turn.WaitAsync(limit.Token);
        try
        {
            await _process.StandardInput.WriteLineAsync(verb.AsMemory(), limit.Token);
            await _process.StandardInput.FlushAsync(limit.Token);
            // A late answer to an earlier verb, whose caller gave up, is passed over.
            while (await _process.StandardOutput.ReadLineAsync(limit.Token) is { } answer)
                if (answer == verb) return;
            throw new PrivateRabbitMqNodeException($"The node's guard ended before it could {verb} the node.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PrivateRabbitMqNodeException(
                $"The node's guard did not {verb} the node within {timeout.TotalSeconds:0.#} s.");
        }
        catch (IOException e)
        {
            throw new PrivateRabbitMqNodeException($"The node's guard is gone and could not {verb} the node.", e);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Ends node, epmd and folder.</summary>
    public async ValueTask DisposeAsync()
    {
        AppDomain.CurrentDomain.ProcessExit -= WaitForEnd;
        CloseInput();
        using var limit = new CancellationTokenSource(ExitTimeout);
        try
        {
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            throw new PrivateRabbitMqNodeException(
                $"The node's guard {_process.Id} did not end within {ExitTimeout.TotalSeconds} s.");
        }
        finally
        {
            _process.Dispose();
            _turn.Dispose();
        }
    }

    // The guard would do without; but a look right after this process has ended should find nothing left.
    private void WaitForEnd(object? sender, EventArgs e)
    {
        CloseInput();
        _process.WaitForExit(ExitTimeout);
    }

    private void CloseInput()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The guard has ended already, which is what closing asks for.
        }
    }
}
