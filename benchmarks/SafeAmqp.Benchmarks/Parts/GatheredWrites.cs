using System.Net;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;
using SafeAmqp.Broker;
using SafeAmqp.Transport;

namespace SafeAmqp.Benchmarks.Parts;

/// <summary>A message of 256 B put into frames and sent over a loopback socket whose other end reads: so many to a send.</summary>
[MemoryDiagnoser]
public class GatheredWrites : IDisposable
{
    private const int Messages = 256;

    private readonly FrameBuffer _frames = new();
    private readonly AmqpMessage _message = new() { Exchange = "exchange", RoutingKey = "key", Body = new byte[256] };
    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private NetworkStream? _wire;
    private WriteGatherer? _gatherer;
    private Task? _reading;

    [Params(1, 16, 256)]
    public int PerSend { get; set; }

    [GlobalSetup]
    public async Task ConnectAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await _socket.ConnectAsync(listener.LocalEndpoint);
        Socket peer = await listener.AcceptSocketAsync();
        _reading = Task.Run(async () =>
        {
            using (peer)
            {
                byte[] buffer = new byte[1 << 16];
                while (await peer.ReceiveAsync(buffer) > 0)
                {
                }
            }
        });
        _wire = new NetworkStream(_socket);
        _gatherer = new WriteGatherer(_wire, 1 << 20, TimeProvider.System, _ => { });
    }

    [Benchmark(OperationsPerInvoke = Messages)]
    public async Task Send()
    {
        for (int i = 0; i < Messages; i += PerSend)
        {
            for (int j = 0; j < PerSend; j++)
                PublishFrames.Publish(_frames, 1, _message, slot: -1, maxFrame: 131_072);
            await _gatherer!.WriteAsync(_frames.Written);
            _frames.Clear();
        }
    }

    [Benchmark(OperationsPerInvoke = Messages)]
    public void IntoFramesOnly()
    {
        for (int i = 0; i < Messages; i++)
            PublishFrames.Publish(_frames, 1, _message, slot: -1, maxFrame: 131_072);
        _frames.Clear();
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _wire?.Dispose();
        _socket.Dispose();
        _reading?.Wait();
        GC.SuppressFinalize(this);
    }
}
