using System.Net.Sockets;
using System.Threading.Channels;
using ImageServer.Protocol;
using ImageServer.Server.State;

namespace ImageServer.Server.Clients;

/// <summary>
/// One client: commands come in on one side, answers go out on the other. Only <see cref="RunAsync"/> writes, one whole
/// answer after the other, so that none is ever mixed with another.
/// </summary>
internal sealed class ClientSession(
    int id, Socket socket, CommandHandler handler, StateOwner owner, ImageSettings settings, ServerMetrics metrics,
        TimeProvider time, ILogger log)
    : IDisposable
{
    // Commands that a client sent before it had the answers to those before. Beyond these it is not read from.
    private const int CommandsKept = 16;

    // What a client has to take within the time for it. A slow modem takes minutes for a picture, and may.
    private const int SendPiece = 4096;

    private readonly NetworkStream _stream = new(socket, ownsSocket: true);
    private readonly Channel<Command> _commands = Channel.CreateBounded<Command>(
        new BoundedChannelOptions(CommandsKept) { SingleWriter = true });
    private readonly CancellationTokenSource _left = new(); // it says no more, and has not said quit
    private readonly CancellationTokenSource _gone = new(); // nothing reaches it any more
    private GraphicsMode _mode = GraphicsMode.Graphics8;
    private volatile bool _isBusy;

    /// <summary>Serves the client until it leaves or has to go.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var reading = ReadAsync(ended.Token);
        try
        {
            await AnswerAllAsync(stopping);
        }
        catch (OperationCanceledException) when (
            stopping.IsCancellationRequested || _left.IsCancellationRequested || _gone.IsCancellationRequested)
        {
            log.ClientLeft(id, stopping.IsCancellationRequested ? "the server stops" : "it left while it waited");
        }
        catch (ClientCutOffException cutOff)
        {
            metrics.CutOff(cutOff.Reason);
            log.ClientLeft(id, cutOff.Message);
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            log.ClientLeft(id, error.Message);
        }
        finally
        {
            await ended.CancelAsync();
            await reading;
        }
    }

    public void Dispose()
    {
        _stream.Dispose();
        _left.Dispose();
        _gone.Dispose();
    }

    private async Task AnswerAllAsync(CancellationToken stopping)
    {
        await foreach (var command in _commands.Reader.ReadAllAsync(stopping))
        {
            log.Received(id, command.Name);
            switch (command)
            {
                case Command.Quit:
                    metrics.Request(command.Name, succeeded: true);
                    return;
                case Command.CutOff cutOff:
                    if (cutOff.Error is not null)
                        await SendAsync(Wire.Error(cutOff.Error), stopping);
                    throw new ClientCutOffException(cutOff.Reason, cutOff.Error ?? cutOff.Reason);
                case Command.Gfx { Mode: { } mode }:
                    metrics.Request(command.Name, succeeded: true);
                    _mode = mode; // without an answer
                    break;
                default:
                    await AnswerAsync(command, stopping);
                    break;
            }
        }
    }

    private async Task AnswerAsync(Command command, CancellationToken stopping)
    {
        using var unwanted = CancellationTokenSource.CreateLinkedTokenSource(_gone.Token, stopping);
        using var left = CancellationTokenSource.CreateLinkedTokenSource(_left.Token, unwanted.Token);
        _isBusy = true;
        var making = handler.AnswerAsync(command, new Asker(id, _mode, left.Token, unwanted.Token));
        try
        {
            await AnswerPlacesMeanwhileAsync(making, stopping);
        }
        catch
        {
            // The client takes no answers: nothing may go on for it when its session has ended.
            await unwanted.CancelAsync();
            await Task.WhenAny(making);
            throw;
        }

        var answer = await making;
        await SendAsync(answer.Bytes, stopping);
        _isBusy = false;
        if (answer.Title is { } title)
            owner.Show(id, title, _mode, answer.Bytes);
    }

    // A client that waits may ask for its place in the line, and hears it before its picture. No other answer overtakes
    // another.
    private async Task AnswerPlacesMeanwhileAsync(Task making, CancellationToken stopping)
    {
        while (!making.IsCompleted)
        {
            if (_commands.Reader.TryPeek(out var next))
            {
                if (next is not Command.Place || !_commands.Reader.TryRead(out _))
                    return;
                await SendAsync(handler.Place(id), stopping);
                continue;
            }

            var more = _commands.Reader.WaitToReadAsync(stopping).AsTask();
            if (await Task.WhenAny(making, more) == more && !await more)
                return; // the client sends no more
        }
    }

    private async Task SendAsync(ReadOnlyMemory<byte> answer, CancellationToken stopping)
    {
        for (int sent = 0; sent < answer.Length; sent += SendPiece)
        {
            using var limit = new CancellationTokenSource(settings.SendTimeout, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stopping);
            try
            {
                await _stream.WriteAsync(answer.Slice(sent, Math.Min(SendPiece, answer.Length - sent)), either.Token);
            }
            catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
            {
                throw new ClientCutOffException("slow_reader", "It takes no more of its answer.");
            }
        }
    }

    // A client that ends its side may still take answers (nc -N), or be gone: the two look alike. What is made here is
    // sent to it. What waits for the workers on its behalf is given up, unless it has said quit.
    private async Task ReadAsync(CancellationToken ended)
    {
        var lines = new LineReader(_stream, settings, time);
        bool quits = false;
        try
        {
            while (await lines.NextAsync(() => _isBusy, ended) is { } line)
            {
                foreach (var command in line.Text is { } text ? Command.Parse(text) : [new Command.TooLong()])
                {
                    await _commands.Writer.WriteAsync(command, ended);
                    quits |= command is Command.Quit;
                }
            }
        }
        catch (ClientCutOffException cutOff)
        {
            _commands.Writer.TryWrite(new Command.CutOff(cutOff.Reason, cutOff.Message));
        }
        catch (Exception error) when (
            error is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            await _gone.CancelAsync(); // or its session has ended
        }
        finally
        {
            _commands.Writer.TryComplete();
            if (!quits) await _left.CancelAsync();
        }
    }
}
